"""The first example, `organization-session-metadata`, written against `wit/` alone."""

from wit_world.imports import event_organization, session


class WitWorld:
    def on_execute_post_login(self) -> None:
        organization = event_organization.get()
        if organization is None:
            return
        session.set_metadata("org_id", organization.id)
        session.set_metadata("org_slug", organization.name)
        session.set_metadata("org_name", organization.display_name or organization.name)

    def on_continue_post_login(self) -> None:
        pass
