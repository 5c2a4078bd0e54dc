"""The meaning of `authorization_details` of type `berichtenbox`, and who may consent to them.

It implements `oauth.authorization_details.handler`. Everything that OAuth asks about a machtiging is asked here.
"""
