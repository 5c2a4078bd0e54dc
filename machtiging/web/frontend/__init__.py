"""Sources of the stylesheet, the script and the icons, and their build."""
