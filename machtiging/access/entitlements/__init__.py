"""Entitlements: what an agency may ask about machtigingen, for which diensten and purposes. Decided by Casbin."""
