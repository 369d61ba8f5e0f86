# SPDX-License-Identifier: MIT
"""The themes: modules of cases, see tap.py."""
