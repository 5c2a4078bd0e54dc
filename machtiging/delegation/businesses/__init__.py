"""Acts of a registered director for a business."""
