//! Label sets as configuration, discovery and relabeling handle them. The data path uses the packed form.

/// One label. An empty value means the label is absent, so neither part of a [`Labels`] entry is ever empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    pub name: String,
    pub value: String,
}

/// A label set: sorted by name (bytes), names unique, no empty values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Vec<Label>);

impl Labels {
    pub fn new() -> Labels {
        Labels::default()
    }

    /// The value, or `""` for a label that is not there, which is how Prometheus reads a missing label.
    pub fn get(&self, name: &str) -> &str {
        match self.0.binary_search_by(|label| label.name.as_str().cmp(name)) {
            Ok(at) => &self.0[at].value,
            Err(_) => "",
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|label| (label.name.as_str(), label.value.as_str()))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Later pairs win over earlier ones of the same name; empty values are left out.
impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Labels {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(&name.into(), &value.into());
        }
        builder.labels()
    }
}

/// A label set under change. Keeps its labels sorted, so that reading is always in order. Buffers are reused by
/// [`LabelsBuilder::clear`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelsBuilder {
    labels: Vec<Label>,
}

impl LabelsBuilder {
    pub fn new(base: &Labels) -> LabelsBuilder {
        LabelsBuilder { labels: base.0.clone() }
    }

    pub fn clear(&mut self) {
        self.labels.clear();
    }

    pub fn get(&self, name: &str) -> &str {
        match self.find(name) {
            Ok(at) => &self.labels[at].value,
            Err(_) => "",
        }
    }

    /// Sets or, with an empty value, deletes.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.find(name) {
            Ok(at) if value.is_empty() => {
                self.labels.remove(at);
            }
            Ok(at) => value.clone_into(&mut self.labels[at].value),
            Err(_) if value.is_empty() => {}
            Err(at) => {
                self.labels.insert(at, Label { name: name.to_owned(), value: value.to_owned() });
            }
        }
    }

    pub fn delete(&mut self, name: &str) {
        self.set(name, "");
    }

    /// Keeps the labels for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.labels.retain(|label| keep(&label.name, &label.value));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|label| (label.name.as_str(), label.value.as_str()))
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    pub fn labels(&self) -> Labels {
        Labels(self.labels.clone())
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.labels.binary_search_by(|label| label.name.as_str().cmp(name))
    }
}
