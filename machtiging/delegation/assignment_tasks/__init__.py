"""Assign up to ten thousand machtigingen in one task. The workers do them one by one."""
