"""The life cycle of a machtiging: offer, acceptance, pause, end, scope and machtigingscode."""
