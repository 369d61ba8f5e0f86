/* SPDX-License-Identifier: MIT */
/* What sluicectl knows of the bus, spelled as in org.sluice.Sluice1(5): a client has no more. */
#ifndef SLUICECTL_NAMES_H
#define SLUICECTL_NAMES_H

#define SLUICE_NAME "org.sluice.Sluice1"

#define MANAGER_PATH      "/org/sluice/Sluice1"
#define MANAGER_INTERFACE "org.sluice.Sluice1.Manager"

/* A server's object is sd_bus_path_encode(SERVER_PREFIX, NAME). */
#define SERVER_PREFIX    "/org/sluice/Sluice1/server"
#define SERVER_INTERFACE "org.sluice.Sluice1.Server"

#define ERROR_INVALID_CONFIG "org.sluice.Sluice1.Error.InvalidConfig"

#define BUS_NAME      "org.freedesktop.DBus"
#define BUS_PATH      "/org/freedesktop/DBus"
#define BUS_INTERFACE "org.freedesktop.DBus"

#define OBJECT_MANAGER_INTERFACE "org.freedesktop.DBus.ObjectManager"
#define PROPERTIES_INTERFACE     "org.freedesktop.DBus.Properties"

#endif
