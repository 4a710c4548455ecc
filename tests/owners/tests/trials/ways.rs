//! The tests of an agent: one for each way in which it is ended.

/// One test for each name.
macro_rules! tests {
    ($owner:ident: $($name:ident($mode:ident, $way:ident);)+) => {
        $(
            #[test]
            #[ignore = "it needs real agents, and all of them take a quarter of an hour: cargo xtask test --owners"]
            fn $name() {
                use lastword_test_owners::{Mode, Owner, Way};
                crate::run::without_fault(Owner::$owner, Mode::$mode, Way::$way);
            }
        )+
    };
}

/// Of every agent. What is `in_every_check` is what `cargo xtask check` runs, with some of the agents: both ways to use one, and
/// three ways to lose it, in half a minute.
macro_rules! ways {
    ($owner:ident) => {
        mod in_every_check {
            tests! {
                $owner:
                a_run_that_is_done_ends_its_session_once(Headless, Exit);
                a_run_that_gets_sigterm_ends_its_session_once(Headless, Terminate);
                an_agent_that_is_told_to_quit_ends_its_session_once(Terminal, Exit);
                an_idle_agent_that_is_killed_ends_its_session_once_as_unknown(Terminal, Kill);
            }
        }

        tests! {
            $owner:
            a_run_that_is_killed_in_its_turn_ends_its_session_once_as_crashed(Headless, Kill);
            a_session_that_is_resumed_ends_once_more_as_the_next_generation(Headless, Resume);
            an_agent_whose_terminal_is_closed_ends_its_session_once(Terminal, Closed);
            a_run_that_gets_sigint_ends_its_session_once(Headless, Interrupt);
            a_run_that_gets_sighup_ends_its_session_once(Headless, HangUp);
            an_agent_that_is_left_with_ctrl_c_ends_its_session_once(Terminal, CtrlC);
            an_agent_that_gets_sigint_ends_its_session_once(Terminal, Interrupt);
            an_agent_that_gets_sigterm_ends_its_session_once(Terminal, Terminate);
            an_agent_that_gets_sighup_ends_its_session_once(Terminal, HangUp);
            an_agent_that_is_killed_in_a_turn_ends_its_session_once_as_crashed(Terminal, KillInATurn);
            a_compaction_is_one_and_no_new_session(Terminal, Compaction);
        }
    };
}

/// Of agents whose sessions are those of a server, unless they are told to do without.
macro_rules! alone {
    ($owner:ident) => {
        tests! {
            $owner:
            an_agent_alone_that_is_told_to_quit_ends_its_session_once(Alone, Exit);
            an_agent_alone_that_is_left_with_ctrl_c_ends_its_session_once(Alone, CtrlC);
            an_agent_alone_whose_terminal_is_closed_ends_its_session_once(Alone, Closed);
            an_agent_alone_that_gets_sigint_ends_its_session_once(Alone, Interrupt);
            an_agent_alone_that_gets_sigterm_ends_its_session_once(Alone, Terminate);
            an_agent_alone_that_gets_sighup_ends_its_session_once(Alone, HangUp);
            an_idle_agent_alone_that_is_killed_ends_its_session_once_as_unknown(Alone, Kill);
            an_agent_alone_that_is_killed_in_a_turn_ends_its_session_once_as_crashed(Alone, KillInATurn);
            an_agent_alone_whose_session_is_compacted_goes_on_with_it(Alone, Compaction);
            an_agent_alone_whose_session_is_cleared_ends_both_once(Alone, Clear);
        }
    };
}

/// Of agents that have a command for it.
macro_rules! clear {
    ($owner:ident) => {
        tests! {
            $owner:
            a_session_that_is_cleared_ends_once_and_so_does_the_next(Terminal, Clear);
        }
    };
}
