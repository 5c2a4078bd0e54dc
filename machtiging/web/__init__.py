"""HTTP furniture that knows no subject: problems, headers, pages, forms, doors."""
