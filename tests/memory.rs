//! Device memory: the created buffers are the planned ones, nothing is created later, and a device that refuses a buffer causes an error
//! and stays usable. The tests run on a device that executes nothing (`Gpu::noop`) and on the adapter.

use crate::common::{Waves, bare, bits, gpu, model_shape, settings};
use crate::support::not_run::not_run;
use pgat::config::{Config, TrainingSettings};
use pgat::data::WindowShape;
use pgat::engine::executor::{Backend, Executor};
use pgat::engine::gpu::{Gpu, GpuError, GpuRun, Refusal};
use pgat::engine::model::ModelShape;
use pgat::engine::plan::{BufferRole, BufferSpec, Plan};
use pgat::engine::session::{Purpose, Session, SessionError, Setup, State};
use pollster::block_on;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A device that executes nothing, and the adapter.
fn devices() -> [Arc<Gpu>; 2] {
    let Backend::Gpu(adapter) = gpu() else { unreachable!("the device was asked for") };
    [Arc::new(Gpu::noop()), adapter]
}

fn small() -> ModelShape {
    model_shape(&Waves::new(1).shape)
}

fn planned(gpu: &Arc<Gpu>, shape: &ModelShape, settings: &TrainingSettings, purpose: Purpose) -> Plan {
    let setup = Setup { purpose, ..Setup::training(shape.clone(), settings.clone()) };
    setup.plan(&Backend::Gpu(gpu.clone())).expect("a plan")
}

fn open(gpu: &Arc<Gpu>, settings: &TrainingSettings) -> Result<Session, SessionError> {
    block_on(Session::new(Setup::training(small(), settings.clone()), Backend::Gpu(gpu.clone())))
}

fn on_device(session: &Session) -> &GpuRun {
    let Executor::Gpu(run) = session.executor() else { unreachable!("the device was asked for") };
    run
}

/// Names and bytes of the allocations of wgpu's own allocator, where wgpu reports them (not on `noop`).
fn allocations(gpu: &Gpu) -> Vec<(String, u64)> {
    let report = gpu.device.generate_allocator_report();
    let mut all: Vec<_> = report.into_iter().flat_map(|r| r.allocations).map(|a| (a.name, a.size)).collect();
    all.sort();
    all
}

/// All configs in a folder and its subfolders.
fn configs(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|p| p.is_dir());
    let configs = files.into_iter().filter(|p| p.extension().is_some_and(|e| e == "toml"));
    configs.chain(folders.iter().flat_map(|f| self::configs(f))).collect()
}

/// The bytes on the device equal the plan, for each buffer and in total, by three counts: the run's, the device's, and wgpu's sizes.
fn assert_as_planned(gpu: &Arc<Gpu>, shape: &ModelShape, settings: &TrainingSettings, what: &str) {
    for purpose in [Purpose::Train, Purpose::Score] {
        let plan = Arc::new(planned(gpu, shape, settings, purpose));
        let before = gpu.buffer_counts();
        let run = block_on(GpuRun::new(gpu.clone(), plan.clone())).unwrap_or_else(|e| panic!("{what}: {e}"));
        let sizes: BTreeMap<BufferRole, u64> = plan.buffers.iter().map(|b| (b.role, b.bytes)).collect();
        assert_eq!(run.created_by_role(), sizes, "{what}");
        assert_eq!((run.created_bytes(), run.created_buffers()), (plan.bytes(), plan.buffers.len()), "{what}");
        let counts = gpu.buffer_counts();
        assert_eq!(counts.created_bytes - before.created_bytes, plan.bytes(), "{what}");
        assert_eq!(counts.created - before.created, plan.buffers.len() as u64, "{what}");
        drop(run);
        assert_eq!((gpu.buffer_counts().alive, gpu.buffer_counts().alive_bytes), (before.alive, before.alive_bytes), "{what}");
    }
}

/// Covers the configs of all examples (with seven series where the data is not shipped) and small models.
#[test]
fn planned_bytes_are_created_bytes_for_every_config() {
    let gpu = Arc::new(Gpu::noop());
    let found = configs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    assert!(found.len() >= 3, "{found:?}");
    for path in found {
        let config = Config::open(&path).expect("a config");
        let window = WindowShape {
            history: config.window.history,
            horizon: config.window.horizon,
            num_covariates: config.data.covariates.len(),
            num_targets: 7,
            num_channels: 1 + config.data.channels.len(),
            num_calendar: 4,
            ..WindowShape::default()
        };
        let shape = ModelShape::new(window, config.model.clone());
        assert_as_planned(&gpu, &shape, &config.training, &path.display().to_string());
    }
    for micro in [None, Some(1), Some(3)] {
        let settings = settings().with(|s| s.micro_batch = micro);
        assert_as_planned(&gpu, &small(), &settings, &format!("every part on, micro-batches {micro:?}"));
        let health = settings.with(|s| s.health_every = 0);
        assert_as_planned(&gpu, &ModelShape::new(Waves::new(1).shape, bare()), &health, &format!("bare, micro-batches {micro:?}"));
    }
}

/// The device side refuses a plan whose buffer list differs from the buffers it creates, however the plan was made.
#[test]
fn other_bytes_than_planned_are_an_internal_error() {
    let gpu = Arc::new(Gpu::noop());
    for bytes in [256, 1 << 20] {
        let mut plan = planned(&gpu, &small(), &settings(), Purpose::Train);
        // The second buffer of a role replaces the first.
        plan.buffers.push(BufferSpec { role: BufferRole::ReadBack, bytes });
        let error = block_on(GpuRun::new(gpu.clone(), Arc::new(plan))).err().expect("a refusal");
        assert!(matches!(error, GpuError::Unplanned { .. }) && error.to_string().starts_with("internal error"), "{error}");
        assert_eq!(gpu.buffer_counts().alive, 0);
    }
}

/// For each buffer that may be refused: the error names it with the requested and the existing bytes, and all earlier buffers are freed.
#[test]
fn any_refused_buffer_is_named_and_the_others_are_freed() {
    for gpu in devices() {
        let plan = Arc::new(planned(&gpu, &small(), &settings(), Purpose::Train));
        let held = allocations(&gpu);
        for (n, spec) in (0..).zip(&plan.buffers) {
            gpu.refuse(Refusal::After(n));
            let error = block_on(GpuRun::new(gpu.clone(), plan.clone())).err().expect("a refusal");
            let GpuError::OutOfMemory { buffer, bytes, planned, created, .. } = &error else { panic!("{error}") };
            let before: u64 = plan.buffers.iter().take(usize::try_from(n).expect("few")).map(|b| b.bytes).sum();
            assert_eq!((buffer, *bytes, *planned, *created), (&spec.role.to_string(), spec.bytes, plan.bytes(), before));
            let text = error.to_string();
            for part in [&format!("{buffer} of {bytes} bytes"), &format!("plan of {planned} bytes"), "smaller memory budget"] {
                assert!(text.contains(part), "{part}: {text}");
            }
            let counts = gpu.buffer_counts();
            assert_eq!((counts.alive, counts.alive_bytes), (0, 0), "after the refusal of {buffer}");
            assert_eq!(allocations(&gpu), held, "wgpu still holds memory after the refusal of {buffer}");
        }
        gpu.healthy().expect("a refusal is no fault of the device");
        let run = block_on(GpuRun::new(gpu.clone(), plan.clone())).expect("nothing is refused any more");
        assert_eq!(run.created_bytes(), plan.bytes());
    }
}

/// A device that executes nothing and accepts buffers of any size, so that only the allocator can refuse memory.
fn boundless() -> Gpu {
    let limits = wgpu::Limits { max_buffer_size: 1 << 62, ..wgpu::Limits::default() };
    let noop = wgpu::NoopBackendOptions { enable: true, limits: Some(limits.clone()), ..Default::default() };
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::NOOP,
        // Indirect dispatches, which pgat does not use, would limit buffers to 4 GiB.
        flags: wgpu::InstanceFlags::empty(),
        backend_options: wgpu::BackendOptions { noop, ..Default::default() },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapter = block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())).expect("an adapter");
    let descriptor = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
    let (device, queue) = block_on(adapter.request_device(&descriptor)).expect("a device");
    let like = Gpu::noop();
    Gpu::from_parts(device, queue, like.adapter.clone(), like.class.clone())
}

/// The same for a refusal by wgpu itself instead of a test hook: no machine has 2^60 bytes.
#[test]
fn memory_that_there_is_not_is_no_fault_of_the_device() {
    let gpu = Arc::new(boundless());
    let mut large = planned(&gpu, &small(), &settings(), Purpose::Train);
    large.buffers.push(BufferSpec { role: BufferRole::Arena(9), bytes: 1 << 60 });
    let (before, all) = (large.bytes() - (1 << 60), large.bytes());
    let error = block_on(GpuRun::new(gpu.clone(), Arc::new(large))).err().expect("a refusal");
    let GpuError::OutOfMemory { buffer, bytes, planned: asked, created, reason } = &error else { panic!("{error}") };
    assert_eq!((&**buffer, *bytes, *asked, *created), ("arena 9", 1 << 60, all, before));
    assert!(reason.to_lowercase().contains("out of memory"), "{reason}");
    assert_eq!(gpu.buffer_counts().alive, 0);
    open(&gpu, &settings()).expect("a plan that there is memory for");
    gpu.healthy().expect("the refusal was expected");
}

fn train(session: &mut Session, steps: usize) -> State {
    let source = Waves::new(16);
    for step in 0..steps {
        block_on(session.train_step(&source, &[0, 3, 5, 9], 4 * step, step as u64, 1e-3)).expect("a step");
    }
    block_on(session.save(steps as u64)).expect("the state")
}

/// A device has less memory than it reported. The session returns an error, and a session with a smaller plan works on the same device and
/// gives the same bits as on a device that never refused.
#[test]
fn a_smaller_plan_works_after_a_refusal() {
    let smaller = settings().with(|s| s.micro_batch = Some(1));
    for gpu in devices() {
        let [large, least] = [settings(), smaller.clone()].map(|s| planned(&gpu, &small(), &s, Purpose::Train).bytes());
        assert!(least < large, "{least} and {large} bytes");
        gpu.refuse(Refusal::Above(large - 1));
        let error = open(&gpu, &settings()).err().expect("a refusal");
        let SessionError::Gpu(GpuError::OutOfMemory { planned, bytes, created, .. }) = &error else { panic!("{error}") };
        assert!(*planned == large && created + bytes <= large, "{error}");
        assert!(error.to_string().contains("set a smaller memory budget, below the free memory of the device"), "{error}");
        assert_eq!(gpu.buffer_counts().alive, 0, "what had been created is freed");

        gpu.refuse(Refusal::Above(least));
        let after = train(&mut open(&gpu, &smaller).expect("it fits"), 3);
        let fresh = Arc::new(if gpu.adapter.backend == "noop" {
            Gpu::noop()
        } else {
            block_on(Gpu::open(Some(&gpu.adapter.name))).expect("again")
        });
        let undisturbed = train(&mut open(&fresh, &smaller).expect("it fits"), 3);
        assert_eq!(bits(&after.parameters), bits(&undisturbed.parameters));
    }
}

/// After compilation no operation of a session creates a buffer, by our count and by wgpu's own allocations.
#[test]
fn nothing_is_created_after_compilation() {
    for gpu in devices() {
        let kept = pgat::inspect::attention::tensors(&small());
        let made = Session::new(Setup::training(small(), settings()).keeping(kept.to_vec()), Backend::Gpu(gpu.clone()));
        let mut session = block_on(made).expect("a session");
        let (counts, held) = (gpu.buffer_counts(), allocations(&gpu));
        assert_eq!((counts.created_bytes, counts.alive_bytes), (session.plan().bytes(), session.plan().bytes()));
        let tells = gpu.device.generate_allocator_report().is_some();
        if !tells && gpu.adapter.backend != "noop" {
            let why = format!("in part: wgpu does not tell what it holds on {}; our own count is compared", gpu.adapter);
            not_run("nothing_is_created_after_compilation", &why);
        }
        assert_eq!(held.len() >= session.plan().buffers.len(), tells, "{held:?}");
        let source = Waves::new(40);
        let all: Vec<usize> = (0..40).collect();
        for (step, windows) in [16, 5, 1, 16].into_iter().enumerate() {
            block_on(async {
                session.train_step(&source, &all[..windows], 0, step as u64, 1e-3).await?;
                session.report().await?;
                session.gradient_health().await?;
                session.score(&source, &all, |_, _| {}).await?;
                session.look(&source, &all[..3], |_, _| {}).await?;
                let state = session.save(step as u64).await?;
                session.load(&state).await?;
                session.load_parameters(&state.parameters).await
            })
            .expect("a healthy device");
            assert_eq!(gpu.buffer_counts(), counts, "after step {step}");
            assert_eq!(allocations(&gpu), held, "by wgpu's own allocator, after step {step}");
        }
        assert_eq!(on_device(&session).created_bytes(), counts.created_bytes);
        // The session is dropped while a step is in flight.
        block_on(session.train_step(&source, &all[..16], 0, 4, 1e-3)).expect("a step");
        drop(session);
        let left: Vec<_> = allocations(&gpu).into_iter().filter(|(name, _)| !name.starts_with("(wgpu internal)")).collect();
        assert_eq!(left, [], "by wgpu's own allocator, at the end");
        assert_eq!((gpu.buffer_counts().alive, gpu.buffer_counts().alive_bytes), (0, 0));
    }
}
