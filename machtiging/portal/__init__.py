"""Web pages for citizens and helpers, in plain Dutch. Business rules are in the packages below."""
