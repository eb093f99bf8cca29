//! Node files of `place`: a list of nodes, or a document with one.

use std::collections::BTreeSet;

use whither::cli::nodes_file;
use whither::model::{Arrangement, Change, Cluster};

use super::must_be_short;

/// Every node of a file that is accepted is in the cluster, once.
pub fn run(bytes: &[u8]) {
    let file = match nodes_file::parse(bytes) {
        Ok(file) => file,
        Err(words) => return drop(must_be_short(&words)),
    };
    let (mut cluster, mut ids) = (Cluster::new(Arrangement::Arrival), BTreeSet::new());
    let expected = file.reports.len();
    for change in file.reports {
        if let Change::Report(report) = &change {
            assert!(ids.insert(report.id.clone()), "`{}` twice", report.id);
        }
        cluster.apply(change);
    }
    assert_eq!((cluster.len(), ids.len()), (expected, expected));
}
