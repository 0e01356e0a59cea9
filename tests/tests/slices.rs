//! A slice answers as the whole does.

use sidegate_tests::slices::Pair;

#[test]
fn a_slice_answers_as_the_whole_in_the_plan_and_in_the_interpreter() {
    let mut failures = Vec::new();
    let (mut smaller, mut defined) = (0, 0);
    for seed in 1..=400 {
        let pair = match Pair::random(seed) {
            Ok(pair) => pair,
            Err(why) => {
                failures.push(why);
                continue;
            }
        };
        let dir = tempfile::tempdir().unwrap();
        let found = pair.differences(dir.path()).unwrap();
        failures.extend(
            found.iter().map(|found| format!("seed {seed}, {}: {found}\n{}", pair.workload, pair.rego)),
        );
        smaller += usize::from(pair.slice.bundle.len() < pair.whole.bundle.len());
        let answers = pair.answers().unwrap();
        defined += answers
            .iter()
            .filter(|a| a.as_ref().is_some_and(|a| a.as_array().is_some_and(|r| !r.is_empty())))
            .count();
    }
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), failures.join("\n---\n"));
    assert!(smaller > 300, "{smaller} of 400 slices are smaller than the whole");
    assert!(defined > 200, "{defined} answers say something");
}

#[test]
fn a_slice_is_the_same_where_what_it_was_made_from_is() {
    let (mut same, mut others) = (0, 0);
    for seed in 5001..=5600 {
        let change = Pair::changed(seed).unwrap();
        let [before, after] = &change.slices;
        if change.same_reads {
            same += 1;
            assert_eq!(before.bundle, after.bundle, "seed {seed}: the books would not make it anew");
        } else {
            others += 1;
        }
    }
    assert!(same > 100 && others > 50, "{same} the same, {others} not");
}
