# SPDX-License-Identifier: MIT
"""Who may do what on the system bus: root, users whom polkit lets, users whom it asks."""

import time

from .. import web
from ..bus import DENIED, ERROR, INTERACTIVE, MANAGER, NAME, PATH, SERVER, server_path
from ..polkit import PASSWORD, Asked
from ..sluice import SERVICE
from ..tap import case, expect, expect_equal, wait_for

ACTIONS = ("start", "stop", "reload", "add-server", "share-directory", "remove-server")
PORT = ("127.0.0.1", 8081)


def blog(sluice, *options):
    """A server that is stopped, known to a daemon that runs."""
    sluice.configure("blog", "127.0.0.1:8081")
    if options:
        sluice.options(*options)
    expect_equal(sluice.bus.state("blog"), "stopped", "the server at first")


def at_once(call, what, limit_s=2.0):
    began = time.monotonic()
    result = call()
    took = time.monotonic() - began
    expect(took < limit_s, f"{what} took {took:.1f} s")
    return result


@case("policy/own")
def own(sluice):
    """Nobody but the service's user may take the name."""
    done = sluice.alice.busctl("call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "RequestName", "su", NAME, "0", check=False)
    expect(done.status != 0, "alice has taken the name")
    expect_equal(sluice.bus.owner(), None, "the owner of the name")


@case("read")
def read(sluice):
    """Everybody may look."""
    sluice.configure("blog", "127.0.0.1:8081")
    alice = sluice.alice
    found = [alice.manager("Status")["running"],
             alice.manager("ListServers")[0][0],
             alice.manager("GetServer", "s", "blog"),
             alice.state("blog"),
             alice.server("blog", "Status")["Name"]]
    expect_equal(found, [0, "blog", server_path("blog"), "stopped", "blog"], "what alice reads")
    objects = alice.call(PATH, "org.freedesktop.DBus.ObjectManager.GetManagedObjects")
    expect(server_path("blog") in objects, f"GetManagedObjects has {list(objects)}")


@case("default/denied")
def default_denied(sluice):
    """Without a rule an agent would be asked; who does not want that is told, and nothing is
    done."""
    blog(sluice)
    found = [sluice.alice.server_error("blog", member)[0] for member in ("Start", "Stop", "Reload")]
    expect_equal(found, [INTERACTIVE] * 3, "what alice gets")
    found = [sluice.alice.error(PATH, f"{MANAGER}.{member}")[0]
             for member in ("Start", "Stop", "Reload")]
    expect_equal(found, [INTERACTIVE] * 3, "what alice gets of the manager")
    expect_equal(sluice.bus.state("blog"), "stopped", "the server")


@case("default/no-agent")
def no_agent(sluice):
    """Who would be asked, and has no agent, is told so, too."""
    blog(sluice)
    done = sluice.alice.busctl("--allow-interactive-authorization=yes", "call", NAME,
                               server_path("blog"), SERVER, "Start", check=False)
    expect(done.status != 0, "alice has started it")
    expect_equal(sluice.bus.state("blog"), "stopped", "the server")


@case("rule/no")
def rule_no(sluice):
    """What polkit forbids is AccessDenied, and the message names the action."""
    sluice.polkit.rule(f'if (action.id == "{NAME}.start") return polkit.Result.NO;')
    blog(sluice)
    name, message = sluice.alice.server_error("blog", "Start")
    expect_equal(name, DENIED, "what alice gets")
    expect(f"{NAME}.start" in message, message)
    expect_equal(sluice.bus.state("blog"), "stopped", "the server")


@case("rule/yes")
def rule_yes(sluice):
    """A rule lets one user do one thing; it lets nobody else, and nothing else."""
    sluice.polkit.allow("alice", "start")
    blog(sluice)
    expect_equal(sluice.bob.server_error("blog", "Start")[0], INTERACTIVE, "what bob gets")
    expect_equal(sluice.alice.server("blog", "Start"), ["http://127.0.0.1:8081/"], "alice's Start")
    expect_equal(web.get(PORT).body, "blog\n", "a request")
    found = [sluice.alice.server_error("blog", member)[0] for member in ("Stop", "Reload")]
    expect_equal(found, [INTERACTIVE] * 2, "alice's Stop and Reload")
    expect_equal(sluice.bus.state("blog"), "running", "the server")


@case("rule/each")
def rule_each(sluice):
    """Each method asks about the action of its name."""
    sluice.polkit.allow("alice", "start", "stop", "reload")
    blog(sluice)
    alice = sluice.alice
    alice.server("blog", "Start")
    alice.server("blog", "Reload")
    alice.server("blog", "Stop")
    alice.manager("Start")
    alice.manager("Reload")
    alice.manager("Stop")
    expect_equal(sluice.bus.state("blog"), "stopped", "the server at last")


@case("agent/yes")
def agent_yes(sluice):
    """A user who is asked for the password, and knows it."""
    sluice.polkit.rules('polkit.addAdminRule(function() { return ["unix-user:alice"]; });')
    sluice.machine.run("chpasswd", stdin=f"alice:{PASSWORD}\n")
    blog(sluice)
    with Asked(sluice.machine, "alice", NAME, server_path("blog"), SERVER, "Start") as asked:
        asked.wait_asked()
        expect_equal(sluice.bus.state("blog"), "stopped", "the server before the answer")
        asked.answer(PASSWORD)
        expect_equal(asked.finish(), 0, f"the call's status; the terminal shows {asked.output}")
    expect_equal(web.get(PORT).body, "blog\n", "a request")


@case("agent/no")
def agent_no(sluice):
    """One who does not know it."""
    sluice.polkit.rules('polkit.addAdminRule(function() { return ["unix-user:alice"]; });')
    sluice.machine.run("chpasswd", stdin=f"alice:{PASSWORD}\n")
    blog(sluice)
    with Asked(sluice.machine, "alice", NAME, server_path("blog"), SERVER, "Start") as asked:
        asked.wait_asked()
        asked.answer("I have no idea")
        expect(asked.finish() != 0, "the call succeeded")
    expect_equal(sluice.bus.state("blog"), "stopped", "the server")


@case("agent/slow")
def agent_slow(sluice):
    """While one user thinks, everybody else goes on, and the daemon does not leave."""
    sluice.polkit.rules('polkit.addAdminRule(function() { return ["unix-user:alice"]; });\n'
                        'polkit.addRule(function(action, subject) {\n'
                        '    if (subject.user == "bob") return polkit.Result.YES;\n'
                        '});')
    sluice.machine.run("chpasswd", stdin=f"alice:{PASSWORD}\n")
    sluice.configure("other", "127.0.0.1:8082")
    blog(sluice, "--exit-idle-time=0.3")
    with Asked(sluice.machine, "alice", NAME, server_path("blog"), SERVER, "Start") as asked:
        asked.wait_asked()
        pid = sluice.pid()
        time.sleep(1)
        expect_equal(sluice.pid(), pid, "the daemon, which somebody waits for")
        expect_equal(at_once(lambda: sluice.bob.state("blog"), "bob's look"), "stopped", "State")
        at_once(lambda: sluice.bob.server("other", "Start"), "bob's Start")
        at_once(lambda: sluice.bus.server("other", "Stop"), "root's Stop")
        at_once(lambda: sluice.bus.server("blog", "Start"), "root's Start of the same server")
        expect_equal(web.get(PORT).body, "blog\n", "a request")
        sluice.bus.server("blog", "Stop")
        asked.answer(PASSWORD)
        expect_equal(asked.finish(), 0, f"alice's call; the terminal shows {asked.output}")
    expect_equal(sluice.bus.state("blog"), "running", "the server at last")


@case("agent/caller-leaves")
def caller_leaves(sluice):
    """Who leaves before the answer is asked no more, and keeps nothing up."""
    sluice.polkit.rules('polkit.addAdminRule(function() { return ["unix-user:alice"]; });')
    blog(sluice, "--exit-idle-time=0.3")
    with Asked(sluice.machine, "alice", NAME, server_path("blog"), SERVER, "Start") as asked:
        asked.wait_asked()
        asked.leave()
    sluice.wait_gone(timeout_s=5)
    expect_equal(sluice.units.show(SERVICE, "Result"), "success", "Result")


@case("polkit/masked")
def polkit_masked(sluice):
    """Without polkit root may do all, others may look."""
    sluice.polkit.mask()
    blog(sluice)
    name, _ = at_once(lambda: sluice.alice.server_error("blog", "Start"), "alice's Start", 5.0)
    expect_equal(name, DENIED, "what alice gets")
    expect_equal(sluice.alice.state("blog"), "stopped", "what alice sees")
    sluice.bus.server("blog", "Start")
    sluice.bus.server("blog", "Reload")
    expect_equal(web.get(PORT).body, "blog\n", "a request")
    sluice.bus.manager("Stop")
    expect_equal(sluice.bus.state("blog"), "stopped", "the server at last")


@case("polkit/hangs")
def polkit_hangs(sluice):
    """polkitd that answers nothing holds up those who need it, and only them."""
    blog(sluice)
    with sluice.polkit.stopped():
        call = sluice.machine.spawn("busctl", "--timeout=40", "call", NAME, server_path("blog"),
                                    SERVER, "Start", user="alice")
        time.sleep(0.3)
        expect_equal(at_once(lambda: sluice.bob.state("blog"), "bob's look"), "stopped", "State")
        at_once(lambda: sluice.bus.server("blog", "Start"), "root's Start")
        expect(call.poll() is None, "alice has her answer already")
    call.communicate(timeout=20)
    expect(call.returncode != 0, "alice's Start has succeeded")


@case("polkit/restarted")
def polkit_restarted(sluice):
    """polkitd may come and go."""
    sluice.polkit.allow("alice", "start", "stop")
    blog(sluice)
    for _ in range(3):
        sluice.alice.server("blog", "Start")
        sluice.machine.run("systemctl", "restart", "polkit.service")
        sluice.alice.server("blog", "Stop")
        sluice.machine.run("systemctl", "stop", "polkit.service")


@case("many-callers")
def many_callers(sluice):
    """Fifty users' worth of calls at once, allowed and forbidden."""
    sluice.polkit.allow("alice", "start")
    blog(sluice)
    calls = {user: [sluice.machine.spawn("busctl", "call", NAME, server_path("blog"), SERVER,
                                         "Start", user=user) for _ in range(25)]
             for user in ("alice", "bob")}
    found = {}
    for user, started in calls.items():
        for call in started:
            call.communicate(timeout=30)
        found[user] = {call.returncode for call in started}
    expect_equal(found, {"alice": {0}, "bob": {1}}, "the statuses of their calls")


@case("actions")
def actions(sluice):
    """The actions that are documented, with the defaults that are usual."""
    listed = [line for line in sluice.machine.run("pkaction").out.splitlines()
              if line.startswith(f"{NAME}.")]
    expect_equal(sorted(listed), sorted(f"{NAME}.{action}" for action in ACTIONS), "pkaction")
    for action in ACTIONS:
        shown = sluice.polkit.action(action)
        found = [shown.get(f"implicit {who}") for who in ("any", "inactive", "active")]
        expect_equal(found, ["auth_admin", "auth_admin", "auth_admin_keep"], action)
        expect(shown.get("description") and shown.get("message"), f"{action}: {shown}")


@case("actions/owner")
def actions_owner(sluice):
    """The service's user may ask about others: what the owner annotation is for."""
    sluice.polkit.allow("alice", "start")
    user = sluice.units.show(SERVICE, "User")
    expect(user not in ("", "root"), f"the service's user is \"{user}\"")
    sleeper = sluice.machine.spawn("sh", "-c", "echo $$; exec sleep 60", user="alice")
    pid = sleeper.stdout.readline().strip()
    try:
        done = sluice.machine.run("pkcheck", "--action-id", f"{NAME}.start", "--process", pid,
                                  user=user, check=False)
        expect_equal(done.status, 0, f"pkcheck's status ({done})")
        done = sluice.machine.run("pkcheck", "--action-id", f"{NAME}.stop", "--process", pid,
                                  user=user, check=False)
        expect(done.status in (1, 2, 3) and "trusted" not in done.err, str(done))
    finally:
        sluice.machine.run("kill", pid)
        sleeper.communicate()


@case("errors-before-authority")
def errors_before_authority(sluice):
    """A call that makes no sense says so and asks nobody."""
    sluice.polkit.mask()
    blog(sluice)
    found = [sluice.alice.error(PATH, f"{MANAGER}.GetServer", "nosuch")[0],
             sluice.alice.error(server_path("nosuch"), f"{SERVER}.Status")[0]]
    expect_equal(found[0], f"{ERROR}NoSuchServer", "GetServer of one that is not there")
    expect("Unknown" in found[1], f"Status of an object that is not there: {found[1]}")
    wait_for(lambda: sluice.alice.state("blog") == "stopped", "the server as it was")
