"""The driver of the Ansible collection navilab.webui: its playbooks with live progress, and the embedded lab."""

__version__ = "0.1.0"  # the one place; galaxy.yml says the same (tests/unit/driver/test_cli.py compares)
