//! `event-user`: the user who logs in.

use vestibule_model::contract::Cross;

use crate::contract::bindings::vestibule::actions::event_user::{
    EmailAddress, EnrolledFactor, Host, Identity, IdentityProfile, PhoneNumber, ProfileNames,
};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.call()?.event().user.id.to_string())
    }

    fn email(&mut self) -> wasmtime::Result<Option<EmailAddress>> {
        Ok(self.call()?.event().user.email().cross())
    }

    fn phone(&mut self) -> wasmtime::Result<Option<PhoneNumber>> {
        Ok(self.call()?.event().user.phone().cross())
    }

    fn names(&mut self) -> wasmtime::Result<ProfileNames> {
        Ok(self.call()?.event().user.names().cross())
    }

    fn picture(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.call()?.event().user.picture.clone())
    }

    fn created_at(&mut self) -> wasmtime::Result<u64> {
        Ok(self.call()?.event().user.created_at.cross())
    }

    fn updated_at(&mut self) -> wasmtime::Result<u64> {
        Ok(self.call()?.event().user.updated_at.cross())
    }

    fn last_password_reset(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(self.call()?.event().user.last_password_reset.cross())
    }

    fn user_metadata(&mut self) -> wasmtime::Result<String> {
        Ok(super::text(&self.call()?.user_metadata()))
    }

    fn app_metadata(&mut self) -> wasmtime::Result<String> {
        Ok(super::text(&self.call()?.app_metadata()))
    }

    fn identities(&mut self) -> wasmtime::Result<Vec<Identity>> {
        Ok(self.call()?.event().user.identities().map(Cross::cross).collect())
    }

    fn identity_profiles(&mut self) -> wasmtime::Result<Vec<IdentityProfile>> {
        Ok(self.call()?.event().user.identity_profiles().map(Cross::cross).collect())
    }

    fn enrolled_factors(&mut self) -> wasmtime::Result<Vec<EnrolledFactor>> {
        Ok(self.call()?.event().user.enrolled_factors().map(Cross::cross).collect())
    }

    fn multifactor(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.call()?.event().user.multifactor.clone())
    }
}
