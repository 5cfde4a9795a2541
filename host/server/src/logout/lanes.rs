//! Who is sent how much at one time: a lane for each receiver, so that one that is slow or dead
//! holds up nobody else, and turns for tenants.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use vestibule::model::{TenantId, Timestamp};
use vestibule_sessions::{Claimed, DueReceiver, Receiver, ReceiverShare};

use super::circuit::{Circuit, State};

/// Attempts at one receiver at one time, at most. It begins with one, and has twice as many after
/// each that it has answered.
const PARALLEL: usize = 8;
/// Deliveries in hand for each attempt that a receiver may have at one time: so many that none has
/// to wait for the store.
const IN_HAND: usize = 4;
/// Deliveries in hand of all receivers.
const ALL_IN_HAND: usize = 4_096;
/// Deliveries in hand of one tenant's receivers: a tenant whose receivers all hang leaves the
/// others as much again.
const TENANTS_IN_HAND: usize = ALL_IN_HAND / 2;
/// Of those of all receivers, these are only for tenants that have few in hand, however many others
/// have receivers that all hang.
const RESERVE: usize = ALL_IN_HAND / 4;
/// Deliveries in hand of a tenant that has few: sixteen receivers that are new.
const FEW: usize = 16 * IN_HAND;

/// The longest that an attempt takes.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Whose lane it is.
pub(super) type Key = (TenantId, Receiver);

#[derive(Debug)]
struct Lane {
    waiting: VecDeque<Claimed>,
    /// Waiting, and under way.
    in_hand: usize,
    workers: usize,
    parallel: usize,
    circuit: Circuit,
}

impl Default for Lane {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), in_hand: 0, workers: 0, parallel: 1, circuit: Circuit::default() }
    }
}

impl Lane {
    /// How many more it may have in hand.
    fn room(&self, now: Timestamp) -> usize {
        match self.circuit.state(now) {
            State::Open => 0,
            State::Closed | State::HalfOpen => (self.parallel * IN_HAND).saturating_sub(self.in_hand),
        }
    }
}

/// How a receiver has taken an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It has answered.
    Answered,
    /// It has not, or has said that it can't; and perhaps when it can.
    Failed(Option<Duration>),
    /// Nothing was sent.
    Unsent,
}

/// What a lane's worker does next.
#[derive(Debug)]
pub(super) enum Next {
    /// It sends this.
    Send(Box<Claimed>),
    /// It ends, and gives these back.
    End(Vec<Claimed>),
}

/// All lanes.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<Key, Lane>,
    in_hand: usize,
    is_closed: bool,
}

impl Lanes {
    /// How many receivers rest, or have as much in hand as they may: they may be due, and have no
    /// turn.
    pub(super) fn busy(&self, now: Timestamp) -> usize {
        self.lanes.values().filter(|lane| lane.room(now) == 0).count()
    }

    /// What is to be claimed: of each tenant one receiver, then the next of each, for as long as
    /// there is room.
    pub(super) fn shares(&mut self, due: Vec<DueReceiver>, now: Timestamp) -> Vec<ReceiverShare> {
        let mut tenants: BTreeMap<TenantId, VecDeque<Receiver>> = BTreeMap::new();
        for DueReceiver { tenant, receiver, .. } in due {
            tenants.entry(tenant).or_default().push_back(receiver);
        }
        // What is known of a receiver that is not asked any more is forgotten at some time.
        self.lanes.retain(|_, lane| lane.in_hand > 0 || lane.workers > 0 || !lane.circuit.is_over(now));
        let mut room = ALL_IN_HAND.saturating_sub(self.in_hand);
        let mut of_tenants: HashMap<TenantId, usize> = HashMap::new();
        for ((tenant, _), lane) in &self.lanes {
            *of_tenants.entry(tenant.clone()).or_default() += lane.in_hand;
        }
        let mut shares = Vec::new();
        while room > 0 && !tenants.is_empty() {
            tenants.retain(|tenant, receivers| {
                let Some(receiver) = receivers.pop_front() else { return false };
                let of_tenant = of_tenants.entry(tenant.clone()).or_default();
                let at_most = self.room(&(tenant.clone(), receiver.clone()), now).min(tenants_room(*of_tenant, room));
                if at_most > 0 {
                    room -= at_most;
                    *of_tenant += at_most;
                    shares.push(ReceiverShare { tenant: tenant.clone(), receiver, at_most });
                }
                true
            });
        }
        shares
    }

    fn room(&self, key: &Key, now: Timestamp) -> usize {
        if self.is_closed {
            return 0;
        }
        self.lanes.get(key).map_or(IN_HAND, |lane| lane.room(now))
    }

    /// Takes in what was claimed. A worker is to be started for each of the keys.
    pub(super) fn add(&mut self, claimed: Vec<Claimed>) -> Vec<Key> {
        let mut workers = Vec::new();
        for claimed in claimed {
            let key = (claimed.delivery.tenant.clone(), claimed.delivery.receiver.clone());
            let lane = self.lanes.entry(key.clone()).or_default();
            lane.waiting.push_back(claimed);
            lane.in_hand += 1;
            self.in_hand += 1;
            if lane.workers < lane.parallel {
                lane.workers += 1;
                workers.push(key);
            }
        }
        workers
    }

    /// What a worker of this lane does now.
    pub(super) fn next(&mut self, key: &Key, now: Timestamp) -> Next {
        let is_closed = self.is_closed;
        let Some(lane) = self.lanes.get_mut(key) else { return Next::End(Vec::new()) };
        let goes_on = !is_closed && lane.workers <= lane.parallel && lane.circuit.state(now) != State::Open;
        // Another server may send it when its lease is over: it is sent while there is time for
        // that, or not by this one.
        let in_time = |claimed: &Claimed| claimed.delivery.due_at > now.plus(ATTEMPT);
        if goes_on && let Some(claimed) = lane.waiting.pop_front_if(|claimed| in_time(claimed)) {
            return Next::Send(Box::new(claimed));
        }
        lane.workers -= 1;
        let all = std::mem::take(&mut lane.waiting);
        let is_last = lane.workers == 0;
        let (kept, unsent): (Vec<_>, Vec<_>) = all.into_iter().partition(|claimed| !is_last && in_time(claimed));
        lane.waiting = kept.into();
        lane.in_hand -= unsent.len();
        self.in_hand -= unsent.len();
        // What is known of a receiver that has never failed is not worth to be kept.
        if lane.in_hand == 0 && lane.workers == 0 && lane.circuit.is_new() {
            self.lanes.remove(key);
        }
        Next::End(unsent)
    }

    /// A worker's attempt has ended. Whether another worker is to be started.
    pub(super) fn done(&mut self, key: &Key, taken: Taken, now: Timestamp) -> bool {
        let Some(lane) = self.lanes.get_mut(key) else { return false };
        lane.in_hand -= 1;
        self.in_hand -= 1;
        match taken {
            Taken::Answered => {
                lane.circuit.answered();
                lane.parallel = (lane.parallel * 2).min(PARALLEL);
            }
            Taken::Failed(asked) => {
                lane.circuit.failed(now);
                if let Some(asked) = asked {
                    lane.circuit.rests(now, asked);
                }
                lane.parallel = 1;
            }
            Taken::Unsent => {}
        }
        let starts = !lane.waiting.is_empty() && lane.workers < lane.parallel;
        lane.workers += usize::from(starts);
        starts
    }

    /// A worker is gone without its end, with this number of attempts. What waits behind the last
    /// worker of a lane is given up, too: it is due again when its lease is over.
    pub(super) fn lost(&mut self, key: &Key, attempts: usize) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.workers = lane.workers.saturating_sub(1);
        let waiting = if lane.workers == 0 { std::mem::take(&mut lane.waiting).len() } else { 0 };
        lane.in_hand = lane.in_hand.saturating_sub(attempts + waiting);
        self.in_hand = self.in_hand.saturating_sub(attempts + waiting);
    }

    /// Claims no more, and lets workers end with what they have begun.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Deliveries in hand.
    pub(super) fn in_hand(&self) -> usize {
        self.in_hand
    }
}

/// How many more a tenant may have in hand that has this many, where all together may have this
/// many more.
fn tenants_room(in_hand: usize, room: usize) -> usize {
    let as_one_with_few = FEW.saturating_sub(in_hand).min(room);
    let as_any = TENANTS_IN_HAND.saturating_sub(in_hand).min(room.saturating_sub(RESERVE));
    as_one_with_few.max(as_any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sessions::{Claim, Delivery, DeliveryId, DeliveryState, Initiator};

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn due(tenant: &str, receiver: &str) -> DueReceiver {
        let url: vestibule_sessions::LogoutUrl = format!("https://{receiver}/").parse().unwrap();
        DueReceiver { tenant: tenant.parse().unwrap(), receiver: url.receiver(), oldest_due: at(0) }
    }

    /// A delivery that is ours until then.
    fn claimed(receiver: &str, until: Timestamp) -> Claimed {
        let url: vestibule_sessions::LogoutUrl = format!("https://{receiver}/").parse().unwrap();
        let delivery = Delivery {
            tenant: "acme".parse().unwrap(),
            id: DeliveryId::random().unwrap(),
            client: "shop".parse().unwrap(),
            session: "sess_1".parse().unwrap(),
            user: "auth0|1".parse().unwrap(),
            receiver: url.receiver(),
            url,
            initiator: Initiator::RpLogout,
            ended_at: at(0),
            metadata: None,
            created_at: at(0),
            attempts: 1,
            due_at: until,
            is_claimed: true,
            last_error: None,
            state: DeliveryState::Pending,
            finished_at: None,
        };
        Claimed { delivery, claim: Claim::random().unwrap() }
    }

    fn given(shares: &[ReceiverShare]) -> Vec<(&str, &str, usize)> {
        shares.iter().map(|share| (share.tenant.as_str(), share.receiver.as_str(), share.at_most)).collect()
    }

    #[test]
    fn tenants_take_turns_however_many_receivers_one_of_them_has() {
        let mut lanes = Lanes { in_hand: ALL_IN_HAND - 10, ..Lanes::default() };
        let mut all: Vec<DueReceiver> = (0..100).map(|number| due("loud", &format!("r{number}.example"))).collect();
        all.push(due("quiet", "shop.example"));
        let shares = lanes.shares(all, at(0));
        assert_eq!(
            given(&shares),
            [
                ("loud", "https://r0.example:443", 4),
                ("quiet", "https://shop.example:443", 4),
                ("loud", "https://r1.example:443", 2)
            ]
        );
    }

    #[test]
    fn a_tenant_whose_receivers_all_hang_leaves_room_for_the_others_and_hides_none_of_them() {
        let mut lanes = Lanes::default();
        let hanging = || (0..2_000).map(|number| due("loud", &format!("r{number}.example")));
        let shares = lanes.shares(hanging().collect(), at(0));
        assert_eq!(shares.iter().map(|share| share.at_most).sum::<usize>(), TENANTS_IN_HAND);
        for ReceiverShare { tenant, receiver, at_most } in shares {
            lanes.lanes.entry((tenant, receiver)).or_default().in_hand += at_most;
            lanes.in_hand += at_most;
        }
        assert_eq!(lanes.busy(at(0)), TENANTS_IN_HAND / IN_HAND, "so many more are looked at");
        let shares = lanes.shares(hanging().chain([due("quiet", "shop.example")]).collect(), at(0));
        assert_eq!(given(&shares), [("quiet", "https://shop.example:443", IN_HAND)]);
    }

    #[test]
    fn two_tenants_whose_receivers_all_hang_leave_room_for_tenants_that_have_few() {
        let mut lanes = Lanes::default();
        let hanging = |tenant: &'static str| (0..2_000).map(move |number| due(tenant, &format!("r{number}.{tenant}.example")));
        let both = || hanging("loud").chain(hanging("louder"));
        for ReceiverShare { tenant, receiver, at_most } in lanes.shares(both().collect(), at(0)) {
            lanes.lanes.entry((tenant, receiver)).or_default().in_hand += at_most;
            lanes.in_hand += at_most;
        }
        assert_eq!(lanes.in_hand(), ALL_IN_HAND - RESERVE);
        let quiet = (0..20).map(|number| due("quiet", &format!("shop-{number}.example")));
        let shares = lanes.shares(both().chain(quiet).collect(), at(0));
        assert!(shares.iter().all(|share| share.tenant.as_str() == "quiet"), "{:?}", given(&shares));
        assert_eq!(shares.iter().map(|share| share.at_most).sum::<usize>(), FEW, "and no more than a tenant with few");
    }

    #[test]
    fn what_another_server_may_send_by_then_is_given_back_and_not_sent() {
        let mut lanes = Lanes::default();
        let key = (due("acme", "shop.example").tenant, due("acme", "shop.example").receiver);
        let (kept, over) = (claimed("shop.example", at(120)), claimed("shop.example", at(60)));
        let workers = lanes.add(vec![kept.clone(), over, kept]);
        assert_eq!(workers, std::slice::from_ref(&key));
        assert!(matches!(lanes.next(&key, at(0)), Next::Send(_)));
        lanes.done(&key, Taken::Answered, at(50));
        let Next::End(unsent) = lanes.next(&key, at(50)) else { panic!("ten seconds are left, and an attempt may take as long") };
        assert_eq!((unsent.len(), lanes.in_hand()), (1, 1));
        assert!(matches!(lanes.next(&key, at(50)), Next::Send(_)), "there is time for the other one");
    }

    #[test]
    fn a_worker_that_is_lost_leaves_its_lane_to_the_next() {
        let mut lanes = Lanes::default();
        let key: Key = ("acme".parse().unwrap(), due("acme", "shop.example").receiver);
        let one = || claimed("shop.example", at(120));
        assert_eq!(lanes.add(vec![one(), one(), one()]).len(), 1);
        assert!(matches!(lanes.next(&key, at(0)), Next::Send(_)));
        lanes.lost(&key, 1);
        assert_eq!(lanes.in_hand(), 0, "what waited is due again when its lease is over");
        assert_eq!(lanes.shares(vec![due("acme", "shop.example")], at(0))[0].at_most, IN_HAND);
        assert_eq!(lanes.add(vec![one()]), std::slice::from_ref(&key), "another worker is started");
    }

    #[test]
    fn what_is_known_of_a_receiver_is_forgotten_when_it_is_not_asked_any_more() {
        let mut lanes = Lanes::default();
        let key = ("acme".parse().unwrap(), due("acme", "shop.example").receiver);
        lanes.lanes.entry(key.clone()).or_default().in_hand = 1;
        lanes.in_hand = 1;
        lanes.done(&key, Taken::Failed(None), at(0));
        lanes.shares(Vec::new(), at(3_600));
        assert_eq!(lanes.lanes.len(), 1, "the next attempt may come after an hour");
        lanes.shares(Vec::new(), at(86_400));
        assert!(lanes.lanes.is_empty());
    }

    #[test]
    fn a_receiver_that_answers_gets_more_at_one_time_and_one_that_fails_gets_one_and_then_rests() {
        let mut lanes = Lanes::default();
        let one = || vec![due("acme", "shop.example")];
        let key = (one()[0].tenant.clone(), one()[0].receiver.clone());
        let room = |lanes: &mut Lanes, now| lanes.shares(one(), now).first().map_or(0, |share| share.at_most);
        let attempt = |lanes: &mut Lanes, taken, now| {
            lanes.lanes.entry(key.clone()).or_default().in_hand += 1;
            lanes.in_hand += 1;
            lanes.done(&key, taken, now);
        };
        assert_eq!(room(&mut lanes, at(0)), IN_HAND);
        // One more is under way all the time.
        lanes.lanes.entry(key.clone()).or_default().in_hand = 1;
        lanes.in_hand = 1;
        for expected in [2, 4, 8, 8] {
            attempt(&mut lanes, Taken::Answered, at(0));
            assert_eq!(room(&mut lanes, at(0)), expected * IN_HAND - 1);
        }
        for _ in 0..4 {
            attempt(&mut lanes, Taken::Failed(None), at(0));
            assert_eq!(room(&mut lanes, at(0)), IN_HAND - 1);
        }
        attempt(&mut lanes, Taken::Failed(None), at(0));
        assert_eq!((room(&mut lanes, at(0)), lanes.busy(at(0))), (0, 1));
        assert_eq!((room(&mut lanes, at(1)), lanes.busy(at(1))), (IN_HAND - 1, 0));
        attempt(&mut lanes, Taken::Answered, at(1));
        attempt(&mut lanes, Taken::Failed(Some(Duration::from_secs(30))), at(1));
        assert_eq!((room(&mut lanes, at(30)), room(&mut lanes, at(31))), (0, IN_HAND - 1), "it has said when");
        lanes.close();
        assert_eq!(room(&mut lanes, at(31)), 0);
    }
}
