"""The catalogue: agencies that send post (afnemers), their diensten, with theme and sensitivity."""
