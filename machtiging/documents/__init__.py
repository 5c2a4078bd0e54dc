"""Documents for people: PDF pages and QR codes, made from plain values. No I/O but the templates."""
