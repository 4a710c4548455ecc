//! What a scrape of metrics costs beside many tenants and plugins, against one beside a single tenant; and a start beside scrapes,
//! against one without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lastword::events::Session;
use lastword::{Plugin, Runtime, Sandbox, SandboxConfig, StartRequest, Tenants};

use crate::rounds::say;
use crate::setup::{load_many_good, tokio_with};

const PLUGINS: usize = 400;
const TENANTS: usize = 400;
const SESSIONS_OF_EACH: usize = 20;
const SCRAPES: u32 = 2_000;
const STARTS: usize = 20_000;

/// Prints both sides.
///
/// # Errors
/// When something fails that must not.
pub(crate) fn measure() -> anyhow::Result<()> {
    let tokio = tokio_with(2)?;
    let _context = tokio.enter();
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let plugins = load_many_good(&sandbox, PLUGINS)?;
    let one = runtime(&tokio, &sandbox, &plugins, 1)?;
    let many = runtime(&tokio, &sandbox, &plugins, TENANTS)?;

    say(format!("a scrape of metrics with {PLUGINS} plugins, {SESSIONS_OF_EACH} sessions for each tenant:"));
    let of_one = scrape(|| drop(one.stats()));
    let of_many = scrape(|| drop(many.stats()));
    tell("stats, 1 tenant", of_one, of_one);
    tell(&format!("stats, {TENANTS} tenants"), of_many, of_one);
    tell("undelivered_ends, the same", scrape(|| assert!(many.undelivered_ends() > 0)), of_one);

    let alone = start_all(&tokio, &many, "alone")?;
    let done = Arc::new(AtomicBool::new(false));
    let scraper = std::thread::spawn({
        let (runtime, done) = (many.clone(), done.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                drop((runtime.stats(), runtime.undelivered_ends()));
            }
        }
    });
    let beside = start_all(&tokio, &many, "beside");
    done.store(true, Ordering::Relaxed);
    scraper.join().map_err(|_panic| anyhow::anyhow!("the scraper panicked"))?;
    tell("a start, alone", alone, alone);
    tell("a start, beside scrapes", beside?, alone);
    Ok(())
}

/// Each plugin serves one tenant.
fn runtime(
    tokio: &tokio::runtime::Runtime,
    sandbox: &Sandbox,
    plugins: &[Plugin],
    tenants: usize,
) -> anyhow::Result<Runtime> {
    let only = |n: usize| Tenants::Only(vec![format!("tenant-{}", n % tenants).into()]);
    let builder =
        plugins.iter().enumerate().fold(Runtime::builder().sandbox(sandbox.clone()), |builder, (n, plugin)| {
            builder.plugin(plugin.clone(), only(n))
        });
    let runtime = builder.build()?;
    tokio.block_on(async {
        for n in 0..tenants * SESSIONS_OF_EACH {
            let session = Session::new(&format!("tenant-{}", n % tenants), &format!("s{n}"));
            runtime.start_session(StartRequest::new(session)).await?;
        }
        anyhow::Ok(())
    })?;
    Ok(runtime)
}

fn scrape(scrape: impl Fn()) -> Duration {
    let began = Instant::now();
    (0..SCRAPES).for_each(|_| scrape());
    began.elapsed() / SCRAPES
}

fn start_all(tokio: &tokio::runtime::Runtime, runtime: &Runtime, name: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    tokio.block_on(async {
        for n in 0..STARTS {
            let session = Session::new(&format!("tenant-{}", n % TENANTS), &format!("{name}-{n}"));
            runtime.start_session(StartRequest::new(session)).await?;
        }
        anyhow::Ok(())
    })?;
    Ok(began.elapsed() / u32::try_from(STARTS)?)
}

fn tell(what: &str, took: Duration, against: Duration) {
    let ratio = took.as_secs_f64() / against.as_secs_f64();
    say(format!("  {what:30} {:8.2} µs   {ratio:5.2} ×", took.as_secs_f64() * 1e6));
}
