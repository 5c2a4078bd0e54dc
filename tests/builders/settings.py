"""Settings that production requires, for tests of other settings."""

# The help for people: none of these may be left to the invented values of practice.
OPERATOR_CONTENT = {
    "service_owner": "Gemeente Test",
    "help_phone": "14 000",
    "help_hours": "elke dag van 9.00 tot 12.00 uur",
    "help_hours_en": "every day from 9:00 to 12:00",
    "help_points_file": "/etc/machtiging/help_points.yaml",
    "service_changes_file": "/etc/machtiging/service_changes.yaml",
    "accessibility_email": "toegankelijk@machtigen.test",
    "privacy_email": "privacy@machtigen.test",
}
