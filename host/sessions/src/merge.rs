//! What a login, or whoever else, does to a session as it is kept: the rules, once for both
//! databases. Nothing here reads or writes.

use vestibule_model::{Metadata, Timestamp};

use crate::login::{Committed, SessionChange, SessionLogin, UsedSession};
use crate::session::{Device, Ended, SESSION_CLIENTS, Session, SessionClient};

/// A session's row: one that is alive, or what is left of one that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) session: Session,
    /// Ended by somebody, or by a sweep.
    pub(crate) ended: Option<Ended>,
}

impl Kept {
    /// That it has ended: by somebody, or by its times.
    pub(crate) fn ended(&self, now: Timestamp) -> Option<Ended> {
        self.ended.or_else(|| self.session.expired(now))
    }

    /// The session, where it is alive.
    pub(crate) fn alive(self, now: Timestamp) -> Option<Session> {
        if self.ended(now).is_some() { None } else { Some(self.session) }
    }
}

/// What is to be written for a login's session.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing at all of the whole login.
    Refused(Committed),
    /// Nothing of the session, which is not kept.
    Nothing,
    /// Nothing of the session, which stays as it is.
    Unchanged(Box<Session>),
    /// A new row.
    Create(Box<Session>),
    /// This in place of what is kept.
    Change(Box<Session>),
    /// The end of this session.
    End(Box<Session>, Ended),
}

/// What a login does to the session as it is kept now.
pub(crate) fn login(kept: Option<Kept>, login: &SessionLogin, now: Timestamp) -> Step {
    let Some(kept) = kept else {
        return match &login.change {
            SessionChange::Use(used) => create(login, used, now),
            SessionChange::Keep | SessionChange::End(_) => Step::Nothing,
        };
    };
    if kept.session.user != login.user {
        return Step::Refused(Committed::AnotherUser);
    }
    if let Some(ended) = kept.ended(now) {
        return Step::Refused(Committed::SessionEnded(ended));
    }
    match &login.change {
        SessionChange::Use(used) => change(kept.session, login, Some(used), now),
        SessionChange::Keep if login.leaves_alone() => Step::Unchanged(Box::new(kept.session)),
        SessionChange::Keep => change(kept.session, login, None, now),
        SessionChange::End(initiator) => Step::End(Box::new(kept.session), Ended { at: now, initiator: *initiator }),
    }
}

/// A session with other metadata.
pub(crate) fn with_metadata(mut session: Session, metadata: Metadata, now: Timestamp) -> Session {
    session.metadata = metadata;
    session.updated_at = session.updated_at.max(now);
    session.revision += 1;
    session
}

fn create(login: &SessionLogin, used: &UsedSession, now: Timestamp) -> Step {
    let metadata = match login.metadata.over(&used.metadata) {
        Ok(metadata) => metadata,
        Err(error) => return Step::Refused(Committed::Metadata(error)),
    };
    let mut clients = Vec::with_capacity(used.clients.len() + 1);
    for client_id in used.clients.iter().chain([&used.client_id]) {
        add_client(&mut clients, client_id);
    }
    Step::Create(Box::new(Session {
        id: login.id.clone(),
        user: login.user.clone(),
        created_at: used.created_at,
        updated_at: now,
        authenticated_at: used.authenticated_at,
        last_interacted_at: now,
        idle_expires_at: login.idle_expires_at,
        expires_at: login.expires_at,
        device: Device {
            initial_user_agent: used.user_agent.clone(),
            initial_ip: used.ip.clone(),
            initial_asn: used.asn.clone(),
            last_user_agent: used.user_agent.clone(),
            last_ip: used.ip.clone(),
            last_asn: used.asn.clone(),
        },
        clients,
        methods: used.methods.clone(),
        cookie: login.cookie,
        metadata,
        revision: 1,
        actor: used.actor.clone(),
    }))
}

fn change(mut session: Session, login: &SessionLogin, used: Option<&UsedSession>, now: Timestamp) -> Step {
    session.metadata = match login.metadata.over(&session.metadata) {
        Ok(metadata) => metadata,
        Err(error) => return Step::Refused(Committed::Metadata(error)),
    };
    session.expires_at = [session.expires_at, login.expires_at].into_iter().flatten().min();
    session.idle_expires_at = login.idle_expires_at.or(session.idle_expires_at);
    session.cookie = login.cookie.or(session.cookie);
    // Clocks of several hosts differ; no moment of a session goes back for that.
    session.updated_at = session.updated_at.max(now);
    session.revision += 1;
    if let Some(used) = used {
        session.last_interacted_at = session.last_interacted_at.max(now);
        session.authenticated_at = session.authenticated_at.max(used.authenticated_at);
        session.device.last_user_agent.clone_from(&used.user_agent);
        session.device.last_ip.clone_from(&used.ip);
        session.device.last_asn.clone_from(&used.asn);
        if !used.methods.is_empty() {
            session.methods.clone_from(&used.methods);
        }
        add_client(&mut session.clients, &used.client_id);
    }
    Step::Change(Box::new(session))
}

fn add_client(clients: &mut Vec<SessionClient>, client_id: &str) {
    if clients.len() < SESSION_CLIENTS && !clients.iter().any(|client| client.client_id == client_id) {
        clients.push(SessionClient { client_id: client_id.to_owned() });
    }
}

impl SessionLogin {
    /// Whether a login that doesn't use its session changes nothing of it.
    fn leaves_alone(&self) -> bool {
        let Self { id: _, user: _, change: _, metadata, expires_at, idle_expires_at, cookie } = self;
        metadata.is_empty() && expires_at.is_none() && idle_expires_at.is_none() && cookie.is_none()
    }
}
