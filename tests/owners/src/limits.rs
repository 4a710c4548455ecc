//! How long things may take.

use std::time::Duration;

/// From the exit of the agent's process to the end in the plugin: the daemon's default `owner-grace` of 2 s, and a
/// second for everything else on a busy machine.
pub const FROM_DEATH_TO_END: Duration = Duration::from_secs(3);

/// No single wait is longer. The slowest agent takes 7 s to draw its first screen on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An agent that has to leave has this long. The slowest that was seen took 0.7 s.
pub(crate) const TIME_TO_LEAVE: Duration = Duration::from_secs(20);

/// An agent that is known to stay is watched for so long: longer than an end would take.
pub(crate) const TIME_TO_STAY: Duration = Duration::from_secs(5);

/// What is typed has to be on the screen after this, or it is typed again.
pub(crate) const ECHO: Duration = Duration::from_secs(5);

/// A key that had no effect is pressed again after this.
pub(crate) const EFFECT: Duration = Duration::from_secs(5);

/// A screen that was not changed for so long is taken as drawn. Between two keys of a person there is as much.
pub(crate) const STILL: Duration = Duration::from_millis(300);

/// Animations never end: then the screen counts as drawn after this.
pub(crate) const STILL_AT_MOST: Duration = Duration::from_secs(2);

/// Between two looks at what nobody can be told of.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
