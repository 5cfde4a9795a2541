//! `groups`: the groups that the user is in.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::groups::{Group, Host};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get_user_groups(&mut self) -> wasmtime::Result<Vec<Group>> {
        Ok(self.call()?.event().authorization.groups.clone().cross())
    }

    fn has_group_membership(&mut self, groups: Vec<String>) -> wasmtime::Result<Vec<Group>> {
        Ok(self.call()?.event().authorization.group_membership(&groups).cross())
    }
}
