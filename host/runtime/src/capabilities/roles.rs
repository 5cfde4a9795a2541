//! `roles`: the roles that the user has, by themselves or by a group.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::roles::{Host, Role};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get_user_effective_roles(&mut self) -> wasmtime::Result<Vec<Role>> {
        Ok(self.call()?.event().authorization.effective_roles().cross())
    }

    fn get_user_effective_roles_by_ids(&mut self, ids: Vec<String>) -> wasmtime::Result<Vec<Role>> {
        Ok(self.call()?.event().authorization.effective_roles_by_ids(&ids).cross())
    }

    fn get_user_effective_roles_by_names(&mut self, names: Vec<String>) -> wasmtime::Result<Vec<Role>> {
        Ok(self.call()?.event().authorization.effective_roles_by_names(&names).cross())
    }
}
