//! `api.groups` and `api.roles`: what the user belongs to.

use vestibule_model::event::{Group, Role};

use crate::door::read;

/// The groups that the user is in, as the event tells them: all at once, without pages.
#[derive(Clone, Copy, Debug)]
pub struct Groups(pub(super) ());

impl Groups {
    /// All of them.
    pub fn get_user_groups(&self) -> Vec<Group> {
        read!(groups::get_user_groups(), |login| login.event().authorization.groups.clone())
    }

    /// Those of them that have one of these ids or names.
    pub fn has_group_membership(&self, groups: &[&str]) -> Vec<Group> {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        read!(groups::has_group_membership(&groups), |login| login.event().authorization.group_membership(&groups))
    }
}

/// The roles that the user has, by themselves or by a group, as the event tells them: all at once,
/// without pages.
#[derive(Clone, Copy, Debug)]
pub struct Roles(pub(super) ());

impl Roles {
    /// All of them.
    pub fn get_user_effective_roles(&self) -> Vec<Role> {
        read!(roles::get_user_effective_roles(), |login| login.event().authorization.effective_roles())
    }

    /// Those with one of these ids.
    pub fn get_user_effective_roles_by_ids(&self, ids: &[&str]) -> Vec<Role> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        read!(roles::get_user_effective_roles_by_ids(&ids), |login| login.event().authorization.effective_roles_by_ids(&ids))
    }

    /// Those with one of these names.
    pub fn get_user_effective_roles_by_names(&self, names: &[&str]) -> Vec<Role> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        read!(roles::get_user_effective_roles_by_names(&names), |login| login
            .event()
            .authorization
            .effective_roles_by_names(&names))
    }
}
