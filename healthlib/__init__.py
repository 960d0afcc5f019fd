"""healthlib: find out whether a customer health score tells the truth, fix it, and show leadership the result."""

__version__ = "0.2.0"
