"""A PDF that runs an action at opening, button and link (ISO 32000-2, 12.6)."""

from __future__ import annotations

# Each of these is an object; object 5 is the action.
_OBJECTS = (
    "<< /Type /Catalog /Pages 2 0 R /OpenAction 5 0 R /AcroForm << /Fields [6 0 R] >> >>",
    "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 400] /Contents 4 0 R /Annots [6 0 R 7 0 R] >>",
    "<< /Length 0 >>\nstream\n\nendstream",
    "{action}",
    "<< /Type /Annot /Subtype /Widget /FT /Btn /Ff 65536 /T (knop) /Rect [0 0 400 200] /A 5 0 R /P 3 0 R >>",
    "<< /Type /Annot /Subtype /Link /Rect [0 200 400 400] /A 5 0 R /P 3 0 R >>",
)


def make_hostile_pdf(action: str, *, comment: str = "") -> bytes:
    """Make the PDF with this action. `comment` follows its header."""
    content = b"%PDF-1.7\n" + comment.encode()
    offsets = []
    for number, template in enumerate(_OBJECTS, 1):
        offsets.append(len(content))
        text = action if template == "{action}" else template
        content += f"{number} 0 obj\n{text}\nendobj\n".encode()
    rows = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(_OBJECTS) + 1
    table = f"xref\n0 {size}\n0000000000 65535 f \n{rows}trailer << /Size {size} /Root 1 0 R >>\n"
    return content + f"{table}startxref\n{len(content)}\n%%EOF\n".encode()
