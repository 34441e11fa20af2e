# SPDX-License-Identifier: BSD-2-Clause
"""Namespaces: which network namespaces are walked over, and whose pids are meant."""

import support
from support import TestCase, main, needs_root, shell

setUpModule = support.own_network


@needs_root
class Names(TestCase):
    """What lies under /run/netns need not be a network namespace."""

    def test_what_is_no_network_namespace_is_none_that_could_not_be_entered(self):
        script = """unshare -m sh -c '
            mount --make-rprivate / && mkdir -p /run/netns && mount -t tmpfs t /run/netns && cd /run/netns || exit 9
            touch stale other mine; mkfifo waits; mkdir directory; ln -s nowhere dangling; mknod device c 1 7
            mount --bind /proc/self/ns/uts other && mount --bind /proc/self/ns/net mine || exit 9
            exec timeout 10 "$0" "$@"' "$0" "$@" """
        for command in (("stuck", "--socket", ""), ("trace", "--duration", "100ms", "--format", "csv")):
            with self.subTest(command=command):
                outcome = shell(script, *command)
                self.assertEqual(outcome.status, 0, outcome)
                self.assertNotIn("could not be entered", outcome.err)


if __name__ == "__main__":
    main()
