# SPDX-License-Identifier: MIT
"""Tests of the installed service on a real systemd, system bus and polkit, in a container that is
booted for them and gone afterwards.

    jail      namespaces that end with the program, whatever ends it
    install   the build, with the prefix /usr, into a file system
    machine   the container: its file system, booting it, running programs in it
    units     systemctl, drop-ins, the journal
    bus       busctl and gdbus
    web       single requests, and attempts to connect at a steady rate
    polkit    rules, and an agent that a user forgets to answer
    wedge     a thread that hangs
    tap       cases, and what they found
    themes/   the tests, one file and one container for each theme
"""


class Unusable(Exception):
    """This host cannot run the tests; the text says what is missing."""


class Failure(Exception):
    """Something is not as it should be; the text says what was expected and what was found."""
