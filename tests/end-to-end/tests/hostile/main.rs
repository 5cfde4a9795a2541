//! What a hostile guest tries. Each attempt ends in an error that has a type and a text for people,
//! or harms no other; it costs that one login alone, and the next logins of the same tenant and of
//! others are right.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that lacks its parts is to fail at once")]

mod canonical_abi;
mod handles;
mod host;
mod input;
mod isolation;
mod limits;
mod loading;
mod memory;
mod places;
mod shape;
mod swapped;
mod time;

/// The components of `tests/hostile`. A file that is not among them is an error.
mod components {
    pub(crate) use vestibule_test_artifacts::hostile::{
        ASKS_FOR_RANDOM_BYTES, BOOLEAN_OF_SEVEN, CALLS_BACK_INTO_ITSELF, CALLS_THE_HOST_AFTER_ITS_RETURN,
        CALLS_THE_HOST_ON_A_FULL_STACK, COMPUTES_AS_OFTEN, DATA_OUT_OF_BOUNDS, DROPS_A_HANDLE_TWICE,
        DROPS_A_STREAM_THAT_IS_WAITED_FOR, GROWS_A_TABLE, HALF_OF_A_CHARACTER, INVALID_LEVEL, INVALID_OPTION, INVALID_UTF8,
        INVALID_VARIANT, INVENTS_A_HANDLE, KEEPS_A_BORROW, LATIN1, LATIN1_UTF16_LONE_SURROGATE, LATIN1_UTF16_MISALIGNED,
        LIST_THAT_OVERFLOWS, LONE_SURROGATE, LOOPS_AFTER_ITS_RETURN, LOOPS_IN_ITS_START, MAKES_HANDLES,
        MARKS_ITS_MEMORY_AND_WAITS, NESTED_JSON, OPENS_STREAMS, REALLOC_CALLS_THE_HOST, REALLOC_LOOPS, REALLOC_MISALIGNED,
        REALLOC_OUT_OF_BOUNDS, REALLOC_TRAPS, RECURSES_AS_DEEP, RETURNS_A_LONG_TEXT, RETURNS_A_TEXT_OUT_OF_BOUNDS,
        RETURNS_MISALIGNED, RETURNS_NEITHER, RETURNS_OUT_OF_BOUNDS, SLEEPS, SLEEPS_ODDLY, SLEEPS_WITHOUT_END,
        TEXT_OF_100_MEGABYTES, TEXT_OUT_OF_BOUNDS, TEXT_THAT_OVERFLOWS, TRAPS_AFTER_ITS_RETURN, TRAPS_AT_THE_THIRTEENTH_LOGIN,
        TRAPS_IN_ITS_START, USES_A_DROPPED_HANDLE, USES_A_HANDLE_OF_ANOTHER_TYPE, UTF16, UTF16_MISALIGNED, UTF16_OVERFLOWS,
        WAITS_FOR_NOTHING,
    };

    macro_rules! is_named {
        ($component:ident) => {
            #[allow(unused_imports, reason = "that it can be imported is the test")]
            use self::$component as _;
        };
    }
    vestibule_test_artifacts::for_each_hostile!(is_named);
}

/// What a hostile guest tries, and the tests that try it.
macro_rules! attempts {
    ($($number:literal $what:literal: $($module:ident::$test:ident),+;)*) => {
        const ATTEMPTS: &[(u32, &str, &[fn()])] = &[$(($number, $what, &[$($module::$test),+])),*];
    };
}

attempts! {
    1 "an endless loop": time::an_endless_loop_ends_with_its_time_of_computing;
    2 "an endless loop while it is instantiated": time::an_endless_loop_while_it_is_instantiated_ends_with_its_time_of_computing;
    3 "an endless recursion": time::an_endless_recursion_ends_with_its_stack;
    4 "a host call on a nearly full stack": time::host_calls_on_a_nearly_full_stack_end_with_the_stack;
    5 "a host call that waits for ever": time::a_wait_for_ever_ends_with_its_time;
    6 "clocks and sleeps": time::odd_sleeps_are_over_at_once_or_never, time::a_sleep_of_centuries_ends_with_its_time,
        time::sleeps_of_no_time_without_end_end_with_a_limit_of_time, time::a_wait_for_nothing_breaks_off;
    7 "growing memory": memory::memory_that_grows_without_end_ends_with_its_limit;
    8 "memory from the start": memory::memory_over_the_limit_from_the_start_is_not_even_loaded;
    9 "huge tables": memory::a_huge_table_is_not_loaded_and_not_grown;
    10 "a text of 100 MB": memory::a_text_of_100_megabytes_does_not_reach_the_host;
    11 "a million tiny texts": memory::a_million_tiny_texts_do_not_reach_the_host;
    12 "a million handles": memory::a_million_streams_are_not_opened, memory::a_million_handles_of_its_own_are_not_made;
    13 "gigabytes of random numbers": memory::gigabytes_of_random_numbers_are_not_made;
    14 "a flood of log": memory::a_flood_of_log_is_cut_and_each_line_stays_one_line;
    15 "pointers out of bounds": canonical_abi::a_pointer_out_of_bounds_breaks_off;
    16 "pointers that overflow": canonical_abi::a_length_that_overflows_breaks_off;
    17 "an allocator that gives a bad pointer": canonical_abi::an_allocator_that_gives_a_bad_pointer_breaks_off;
    18 "an allocator that loops or traps": canonical_abi::an_allocator_that_loops_or_traps_costs_its_own_login;
    19 "UTF-16 and Latin-1": canonical_abi::a_misaligned_text_breaks_off, canonical_abi::texts_in_utf16_and_latin1_arrive_as_they_are;
    20 "invalid texts": canonical_abi::invalid_text_traps;
    21 "bad discriminants": canonical_abi::an_invalid_discriminant_traps, canonical_abi::any_number_but_zero_is_true;
    22 "handles": handles::a_handle_that_is_not_there_breaks_off, handles::a_handle_of_another_type_breaks_off,
        handles::a_borrow_that_is_kept_breaks_off, handles::a_stream_that_is_waited_for_can_not_be_dropped;
    23 "re-entry": canonical_abi::a_call_while_the_host_is_calling_breaks_off, canonical_abi::a_call_back_into_itself_breaks_off;
    24 "after the return": canonical_abi::what_breaks_off_after_its_return_has_failed;
    25 "a call after a trap": canonical_abi::after_a_trap_the_same_action_runs_in_a_fresh_sandbox;
    26 "what another tenant has left": isolation::nothing_of_one_login_is_found_by_another,
        swapped::nothing_that_was_swapped_out_is_found_by_another, swapped::no_reset_asks_the_kernel_for_present_pages;
    27 "a failed instantiation": isolation::nothing_of_a_failed_instantiation_is_found_by_another,
        isolation::a_failed_instantiation_gives_its_place_back;
    28 "every place": places::one_tenant_does_not_take_every_place;
    29 "a dropped login": places::a_login_that_is_dropped_while_it_computes_gives_its_place_back,
        places::a_login_that_is_dropped_while_it_waits_gives_its_place_back;
    30 "no place left": places::without_a_free_sandbox_a_login_is_refused_with_a_hint;
    31 "imports and exports": loading::an_import_that_is_not_offered_is_named, loading::another_version_of_the_contract_is_an_error,
        loading::a_missing_export_is_named;
    32 "damaged bytes": loading::what_is_no_component_is_named_in_the_error, loading::a_truncated_component_is_refused,
        loading::a_component_with_a_flipped_bit_is_refused_or_runs_within_its_limits;
    33 "compile bombs": loading::a_huge_function_is_compiled_or_refused, loading::a_hundred_thousand_types_are_compiled_or_refused,
        loading::an_oversized_table_of_branches_is_compiled_or_refused, loading::deep_nesting_is_compiled_or_refused;
    34 "components that multiply": loading::nested_components_that_multiply_do_not_fit;
    35 "a forged compilation": loading::a_compiled_file_is_not_taken_for_a_component,
        loading::a_forged_or_swapped_compilation_is_not_loaded;
    36 "metadata": input::metadata_that_breaks_a_rule_is_refused_with_the_rule,
        input::metadata_of_the_event_that_breaks_a_rule_is_refused_with_its_place;
    37 "huge and deep events": input::an_event_of_200_megabytes_is_not_read, input::an_event_of_ten_thousand_levels_is_refused,
        input::json_of_ten_thousand_levels_is_refused_by_its_rule;
    38 "files and sockets": input::files_and_sockets_can_not_be_reached, input::nothing_of_the_host_can_be_seen;
}

#[test]
fn each_thing_that_a_hostile_guest_tries_has_a_test() {
    let numbers: Vec<u32> = ATTEMPTS.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=38).collect::<Vec<u32>>());
    assert!(ATTEMPTS.iter().all(|(_, what, tests)| !what.is_empty() && !tests.is_empty()));
}
