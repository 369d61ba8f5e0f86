/* SPDX-License-Identifier: MIT */
/*
 * Every name that Sluice uses on the bus. They are promises to clients: a name that has been
 * released is never changed, and what becomes incompatible goes to org.sluice.Sluice2.
 */
#ifndef SLUICE_NAMES_H
#define SLUICE_NAMES_H

#define SLUICE_BUS_NAME "org.sluice.Sluice1"

#define SLUICE_MANAGER_PATH      "/org/sluice/Sluice1"
#define SLUICE_MANAGER_INTERFACE "org.sluice.Sluice1.Manager"

/* The object of a server is sd_bus_path_encode(SLUICE_SERVER_PREFIX, NAME). */
#define SLUICE_SERVER_PREFIX    "/org/sluice/Sluice1/server"
#define SLUICE_SERVER_INTERFACE "org.sluice.Sluice1.Server"

#define SLUICE_ERROR_NO_SUCH_SERVER "org.sluice.Sluice1.Error.NoSuchServer"
#define SLUICE_ERROR_SERVER_EXISTS  "org.sluice.Sluice1.Error.ServerExists"
#define SLUICE_ERROR_INVALID_NAME   "org.sluice.Sluice1.Error.InvalidName"
#define SLUICE_ERROR_INVALID_CONFIG "org.sluice.Sluice1.Error.InvalidConfig"
#define SLUICE_ERROR_ADDRESS_IN_USE "org.sluice.Sluice1.Error.AddressInUse"
#define SLUICE_ERROR_LISTEN_FAILED  "org.sluice.Sluice1.Error.ListenFailed"
#define SLUICE_ERROR_NOT_RUNNING    "org.sluice.Sluice1.Error.NotRunning"
#define SLUICE_ERROR_NOT_TRANSIENT  "org.sluice.Sluice1.Error.NotTransient"
#define SLUICE_ERROR_LIMIT_REACHED  "org.sluice.Sluice1.Error.LimitReached"
#define SLUICE_ERROR_APP_FAILED     "org.sluice.Sluice1.Error.AppFailed"

/* Polkit actions, also used in the messages of AccessDenied. */
#define SLUICE_ACTION_START  "org.sluice.Sluice1.start"
#define SLUICE_ACTION_STOP   "org.sluice.Sluice1.stop"
#define SLUICE_ACTION_RELOAD "org.sluice.Sluice1.reload"

/* The bus itself. */
#define DBUS_BUS_NAME        "org.freedesktop.DBus"
#define DBUS_BUS_PATH        "/org/freedesktop/DBus"
#define DBUS_BUS_INTERFACE   "org.freedesktop.DBus"
#define DBUS_LOCAL_NAME      "org.freedesktop.DBus.Local"
#define DBUS_LOCAL_PATH      "/org/freedesktop/DBus/Local"
#define DBUS_LOCAL_INTERFACE "org.freedesktop.DBus.Local"

#endif
