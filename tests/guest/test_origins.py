# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the interfaces of the origins have in common."""

from kmod import ORIGINS, load_origins
from testing import guest_test


@guest_test(**ORIGINS)
def test_module_comes_and_goes(g):
    for _ in range(3):
        load_origins(g)
        assert g.run(["rmmod", "pagewalk"])[0] != 0, "unloaded although the origins stand on it"
        g.check(["rmmod", "pagewalk_origins"])
        g.check(["rmmod", "pagewalk"])
