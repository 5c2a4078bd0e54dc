"""HTTP building blocks without a subject: middleware, problem responses, pages, route dependencies."""
