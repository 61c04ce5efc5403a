//! Weights move in both directions: a file with only the reference's tensors is read, and a written file holds exactly the reference's
//! names and shapes. The names are those of `param.*` in golden files, which come from the reference's `state_dict`.

use pgat::engine::model::{ParameterPlace, parameter_places};
use pgat::engine::train::weights::{Notes, WeightsError, read_weights, write_weights};
use pgat::engine::verify::Golden;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The tensors of a file whose names begin with `prefix`.
fn tensors(bytes: &[u8], prefix: &str) -> Tensors {
    let file = SafeTensors::deserialize(bytes).expect("safetensors");
    let mine = file.tensors().into_iter().filter_map(|(name, view)| Some((name.strip_prefix(prefix)?.to_owned(), view)));
    mine.map(|(name, view)| (name, (view.shape().to_vec(), bytemuck::pod_collect_to_vec(view.data())))).collect()
}

/// Writes a file as PyTorch does: without metadata.
fn saved(all: &Tensors) -> Vec<u8> {
    let views = all.iter().map(|(name, (shape, values))| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values)).expect("sizes that fit"))
    });
    serialize(views, None).expect("a file")
}

/// The golden files of whole models, with the places of their parameters.
fn models() -> Vec<(PathBuf, Tensors, Vec<ParameterPlace>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/model");
    let mut all = vec![];
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.push(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/self-test.safetensors").into());
    for path in files {
        let bytes = std::fs::read(&path).expect("a file");
        let golden = Golden::read(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut theirs = tensors(&bytes, "param.");
        if golden.shape.window.num_calendar == 0 {
            // The weight of PyTorch's linear map of zero features, which the script that made these files leaves out.
            theirs.insert("embedding.calendar.weight".into(), (vec![golden.shape.settings.d_model, 0], vec![]));
        }
        all.push((path, theirs, parameter_places(&golden.shape).expect("a model")));
    }
    all
}

#[test]
fn files_of_the_reference_are_read_and_written_again() {
    let models = models();
    assert!(models.iter().any(|m| m.1.values().any(|(shape, _)| shape.contains(&0))), "one has a map of no calendar features");
    assert!(models.iter().any(|m| m.1.contains_key("graph.memory")), "one has a moving memory");
    for (path, theirs, places) in models {
        let (flat, notes) = read_weights(&saved(&theirs), &places).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(notes.is_empty());
        let ours = write_weights(&places, &flat, &Notes::from([("series".into(), "[]".into())])).expect("a file");
        assert_eq!(tensors(&ours, ""), theirs, "{}", path.display());
    }
}

#[test]
fn files_of_other_models_are_refused_by_name() {
    let (_, theirs, places) = models().into_iter().find(|m| m.1.contains_key("graph.memory")).expect("a model");
    let read = |change: &dyn Fn(&mut Tensors)| {
        let mut all = theirs.clone();
        change(&mut all);
        read_weights(&saved(&all), &places).expect_err("refused")
    };
    let gone = read(&|all| drop(all.remove("graph.memory")));
    assert!(matches!(&gone, WeightsError::Tensor { name, .. } if name == "graph.memory"), "{gone}");
    let more = read(&|all| drop(all.insert("graph.extra".into(), (vec![1], vec![0.0]))));
    assert!(matches!(&more, WeightsError::Unknown(name) if name == "graph.extra"), "{more}");
    let turned = read(&|all| all.get_mut("graph.memory").expect("it is there").0.reverse());
    assert!(matches!(&turned, WeightsError::Tensor { name, .. } if name == "graph.memory"), "{turned}");
}
