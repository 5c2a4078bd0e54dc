"""The catalogue of agencies that send letters (afnemers), and their diensten with theme and sensitivity."""
