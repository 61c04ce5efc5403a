//! A golden file that a test changes: tensors of the small file of the whole model, and its config.
#![allow(dead_code, unreachable_pub, reason = "shared by tests, and none uses all of it")]

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use std::collections::{BTreeMap, HashMap};

/// The tensors of a file.
pub(crate) struct GoldenFile {
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    config: serde_json::Value,
}

impl GoldenFile {
    /// The whole model, one step.
    pub(crate) fn full() -> Self {
        Self::read("../../assets/self-test")
    }

    /// A file of `tests/golden`.
    pub(crate) fn read(name: &str) -> Self {
        let path = format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).expect("the file is part of the project");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("metadata");
        let config = serde_json::from_str(&metadata.metadata().as_ref().expect("metadata")["config"]).expect("JSON");
        let tensors = file.tensors().into_iter().map(|(name, t)| (name, (t.dtype(), t.shape().to_vec(), t.data().to_vec()))).collect();
        Self { tensors, config }
    }

    /// The file as bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let view = |(dtype, shape, data)| TensorView::new(dtype, shape, data).expect("a tensor");
        let views = self.tensors.iter().map(|(name, (dtype, shape, data))| (name, view((*dtype, shape.clone(), data.as_slice()))));
        let metadata = HashMap::from([("config".to_owned(), self.config.to_string())]);
        serialize(views, Some(metadata)).expect("safetensors")
    }

    /// Values of an f32 tensor.
    pub(crate) fn values(&self, name: &str) -> Vec<f32> {
        bytemuck::pod_collect_to_vec(&self.tensors[name].2)
    }

    /// Changes values of an f32 tensor.
    pub(crate) fn change(&mut self, name: &str, change: impl FnOnce(&mut [f32])) {
        let mut values = self.values(name);
        change(&mut values);
        self.tensors.get_mut(name).expect("a tensor").2 = bytemuck::cast_slice(&values).to_vec();
    }

    /// Removes a tensor.
    pub(crate) fn remove(&mut self, name: &str) {
        self.tensors.remove(name).expect("a tensor");
    }

    /// Renames a tensor.
    pub(crate) fn rename(&mut self, name: &str, other: &str) {
        let tensor = self.tensors.remove(name).expect("a tensor");
        self.tensors.insert(other.into(), tensor);
    }

    /// Changes the config.
    pub(crate) fn config(&mut self, change: impl FnOnce(&mut serde_json::Value)) {
        change(&mut self.config);
    }

    /// For receiver 1 of the first stage, moves the best rejected edge to a distance of `gap` from the worst kept edge. `parameters` is
    /// `param.` or `init.`. The noise is that of the first step.
    pub(crate) fn tie_edges(&mut self, parameters: &str, gap: f32) {
        let kept = usize::try_from(self.config["top_k_edges"].as_u64().expect("a number")).expect("a small number");
        let (name, tau) =
            (format!("{parameters}graph.series_to_transition"), self.values(&format!("{parameters}graph.log_temperature"))[0].exp());
        let senders = self.tensors[&name].1[1];
        let noise = self.values("gumbel.0")[senders..2 * senders].to_vec();
        self.change(&name, |logits| {
            let row = &mut logits[senders..2 * senders];
            let mut order: Vec<usize> = (0..senders).collect();
            order.sort_by(|&a, &b| (row[b] + noise[b]).total_cmp(&(row[a] + noise[a])));
            let (last, next) = (order[kept - 1], order[kept]);
            row[next] = row[last] + noise[last] - gap * tau - noise[next];
        });
    }
}
