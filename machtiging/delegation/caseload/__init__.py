"""The clients of an employee: the search index of an organisation, and the assigned machtigingen."""
