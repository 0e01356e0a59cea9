//! What crosses the border, and what must not.

use sidegate_engine::headers;

use super::abi::{ANSWER, Answer, READ, STATUS};
use super::calls::{self, Level, Map, Side};
use super::memory;
use super::status::Status;

fn answering<T>(answer: Answer, call: impl FnOnce() -> T) -> T {
    ANSWER.set(answer);
    call()
}

fn read() -> Vec<Vec<u8>> {
    READ.take()
}

#[test]
fn what_the_host_fills_is_what_is_read() {
    let bytes: Vec<u8> = (0..=255).collect();
    let got = answering(Answer::Bytes(bytes.clone()), calls::plugin_configuration);
    assert_eq!(got, Ok(bytes.clone()));
    let got = answering(Answer::AfterOthers(bytes.clone()), || calls::request_body(1000));
    assert_eq!(got, Ok(bytes.clone()));
    assert_eq!(answering(Answer::Bytes(Vec::new()), || calls::request_body(9)), Ok(Vec::new()));
    assert_eq!(answering(Answer::Bytes(bytes.clone()), || calls::call_response_body(256)), Ok(bytes.clone()));
    assert_eq!(answering(Answer::Bytes(bytes), || calls::call_response_body(255)), Err(Status::Malformed));
    assert_eq!(calls::call_response_body(0), Ok(Vec::new()));
}

#[test]
fn a_place_that_was_not_lent_is_not_believed() {
    for answer in [
        Answer::Longer(b"abc".to_vec(), 1),
        Answer::Longer(b"abc".to_vec(), usize::MAX),
        Answer::Longer(Vec::new(), 1),
        Answer::Nothing(1),
        Answer::Nothing(usize::MAX),
        Answer::Elsewhere(16),
        Answer::Middle(b"abc".to_vec()),
    ] {
        let got = answering(answer.clone(), || calls::request_body(1000));
        assert_eq!(got, Err(Status::Malformed), "{answer:?}");
    }
    for answer in [Answer::Nothing(0), Answer::Elsewhere(0)] {
        assert_eq!(answering(answer.clone(), || calls::request_body(1000)), Ok(Vec::new()), "{answer:?}");
    }
    // What was lent before is not there any more.
    let stale = memory::lend(4).cast_const();
    assert!(answering(Answer::Bytes(b"x".to_vec()), || calls::request_body(1)).is_ok());
    assert_eq!(memory::claim(stale, 4), Err(Status::Malformed));
}

#[test]
fn memory_that_there_is_not_is_not_lent() {
    assert!(memory::lend(usize::MAX).is_null());
    assert_eq!(memory::claim(std::ptr::null(), 5), Err(Status::Malformed));
    let blocks: Vec<*mut u8> = (0..100).map(memory::lend).collect();
    // SAFETY: the block has 50 bytes.
    unsafe { blocks.get(50).unwrap().write_bytes(1, 50) };
    assert_eq!(memory::claim(blocks.get(50).unwrap().cast_const(), 50), Ok(vec![1; 50]));
}

#[test]
fn a_failure_gives_no_bytes() {
    for (raw, status) in [(1, Status::NotFound), (2, Status::BadArgument), (12, Status::Other(12))] {
        let got = answering(Answer::Fails(raw, b"abc".to_vec()), || calls::request_body(1000));
        assert_eq!(got, Err(status));
    }
    let absent = answering(Answer::Fails(1, Vec::new()), || calls::property(b"a\0b"));
    assert_eq!((absent, read()), (Ok(None), vec![b"a\0b".to_vec()]));
    let absent = answering(Answer::Fails(1, Vec::new()), || calls::shared_data("key"));
    assert_eq!(absent, Ok(None));
}

#[test]
fn maps_are_read_and_what_is_none_is_refused() {
    let pairs = [(b":path".to_vec(), b"/".to_vec()), (b"x-odd".to_vec(), b"\xff\0\xfe".to_vec())];
    let wire = headers::write(&pairs).unwrap();
    let map = answering(Answer::Bytes(wire.clone()), || calls::header_map(Map::Request)).unwrap();
    assert_eq!(map.to_vec(), pairs);
    assert_eq!(
        answering(Answer::Bytes(Vec::new()), || calls::header_map(Map::Request)),
        Err(Status::Malformed)
    );
    // Cut short anywhere, or with any of its lengths changed: refused, and not a byte beyond it is read.
    for length in 0..wire.len() {
        let cut = wire.get(..length).unwrap().to_vec();
        assert!(answering(Answer::Bytes(cut), || calls::header_map(Map::Response)).is_err(), "{length}");
    }
    for at in 0..20 {
        for value in [0, 1, 2, 0x7f, 0xff] {
            let mut changed = wire.clone();
            *changed.get_mut(at).unwrap() = value;
            if let Ok(map) = answering(Answer::Bytes(changed), || calls::header_map(Map::CallResponse)) {
                map.iter().for_each(|(name, value)| assert!(name.len() + value.len() < wire.len()));
            }
        }
    }
}

#[test]
fn the_host_reads_what_it_is_given() {
    calls::log(Level::Info, "a line");
    assert_eq!(read(), [b"a line"]);
    calls::log(Level::Warn, "");
    assert_eq!(read(), [b""]);
    assert_eq!(calls::set_header(Map::Request, b"a", b"\xff"), Ok(()));
    assert_eq!(read(), [b"a".to_vec(), b"\xff".to_vec()]);
    assert_eq!(calls::add_header(Map::Response, b"a", b""), Ok(()));
    assert_eq!(calls::remove_header(Map::Request, b"abc"), Ok(()));
    assert_eq!(read(), [b"abc"]);
    assert_eq!(calls::set_filter_state("k", b"v"), Ok(()));
    assert_eq!(calls::set_shared_data("k", b"v", 1), Ok(()));
    let pair = [("a".to_owned(), "b".to_owned())];
    assert_eq!(calls::send_local_response(403, "why", &pair, b""), Ok(()));
    assert_eq!(read(), [b"why".to_vec(), Vec::new(), headers::write(&pair).unwrap()]);
    assert_eq!(calls::http_call("cluster", &pair, b"body", 5), Ok(9));
    assert_eq!(read(), [b"cluster".to_vec(), headers::write(&pair).unwrap(), b"body".to_vec(), Vec::new()]);
    assert_eq!(calls::define_counter("name"), Ok(7));
    assert_eq!(calls::current_time_ns(), Ok(1_767_323_045_678_901_000));
    let value = answering(Answer::Bytes(b"z".to_vec()), || calls::call_foreign("compress", b"a"));
    assert_eq!(value, Ok(b"z".to_vec()));
    assert_eq!(read(), [b"compress".to_vec(), b"a".to_vec()]);
    let value = answering(Answer::Bytes(b"v".to_vec()), || calls::shared_data("k"));
    assert_eq!(value, Ok(Some((b"v".to_vec(), 3))));
    STATUS.set(2);
    assert_eq!(calls::set_header(Map::Request, b"a", b"b"), Err(Status::BadArgument));
    assert_eq!(calls::define_counter("name"), Err(Status::BadArgument));
    assert_eq!(calls::close(Side::Downstream), Err(Status::BadArgument));
    STATUS.set(0);
}
