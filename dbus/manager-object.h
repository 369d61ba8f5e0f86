/* SPDX-License-Identifier: MIT */
/* The object /org/sluice/Sluice1, interface org.sluice.Sluice1.Manager. */
#ifndef SLUICE_MANAGER_OBJECT_H
#define SLUICE_MANAGER_OBJECT_H

#include "bus.h"

/* Registers the object and its ObjectManager with the connection, for as long as that lives. */
int manager_object_register(Bus *bus);

#endif
