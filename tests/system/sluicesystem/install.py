# SPDX-License-Identifier: MIT
"""The build, installed into a file system as a package would: with the prefix /usr."""

import glob
import json
import os
import shutil
import subprocess

from . import Unusable


def _run(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def _introspect(build, what):
    return json.loads(_run("meson", "introspect", build, f"--{what}"))


def with_prefix(build):
    """`build`, or a build directory in it with the same sources and the prefix /usr."""
    options = {option["name"]: option["value"] for option in _introspect(build, "buildoptions")}
    if options["prefix"] == "/usr":
        return build
    with open(f"{build}/meson-info/meson-info.json", encoding="utf-8") as file:
        source = json.load(file)["directories"]["source"]
    ours = f"{build}/tests/system/prefix-usr"
    if not os.path.exists(f"{ours}/build.ninja"):
        shutil.rmtree(ours, ignore_errors=True)
        _run("meson", "setup", "--prefix=/usr", f"--buildtype={options['buildtype']}", ours, source)
    _run("meson", "compile", "-C", ours)
    return ours


def remove_others(root):
    """Takes away what an installation on the host has left: the bus would rather activate that."""
    for prefix in ("usr", "usr/local"):
        for place in ("bin/sluice*", "lib/systemd/*/*sluice*", "lib/systemd/*/*.wants/*sluice*",
                      "lib/sysusers.d/*sluice*", "lib/sluice", "share/sluice",
                      "share/doc/sluice", "share/dbus-1/*/*sluice*",
                      "share/polkit-1/actions/*sluice*"):
            for path in glob.glob(f"{root}/{prefix}/{place}"):
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)
    shutil.rmtree(f"{root}/etc/sluice", ignore_errors=True)


def install(build, root):
    """Installs `build`, whose prefix is /usr, below `root`, and makes the users that it names."""
    remove_others(root)
    _run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root)
    if not os.path.exists(f"{root}/usr/bin/sluiced"):
        raise Unusable("meson install has not installed /usr/bin/sluiced")
    _run("systemd-sysusers", f"--root={root}")
