//! Reading: across segments, from any row, in pieces of any size.

use sabot_store::{FaultyDisk, FrameMeta, Store};

use super::support::{at_second, commit, ids, open, read, read_from, segments, with_stream};

/// Frames of growing size, some hundred rows.
fn filled(disk: &FaultyDisk) -> (std::sync::Arc<Store>, u64) {
    let (store, mut writer) = with_stream(disk);
    let mut next = 0;
    for size in 1..=30 {
        writer.append(&ids(next..next + size), &at_second(size)).unwrap();
        next += size;
        if size % 4 == 0 {
            commit(&store, u64::try_from(size / 4).unwrap(), &mut writer).unwrap();
        }
    }
    commit(&store, 8, &mut writer).unwrap();
    (store, u64::try_from(next).unwrap())
}

#[test]
fn from_every_row_in_pieces_of_many_sizes() {
    let disk = FaultyDisk::new();
    let (store, rows) = filled(&disk);
    assert!(segments(&disk).len() > 3);
    for from in (0..rows).step_by(3).chain([rows - 1, rows, rows + 5]) {
        for max_rows in [0, 1, 7, 1_000] {
            let mut reader = store.reader("s", 0, from).unwrap();
            let mut expected = from;
            while let Some(frame) = reader.next(max_rows).unwrap() {
                let count = frame.batch.num_rows() as u64;
                assert!(count >= 1 && count <= max_rows.max(1) as u64);
                assert_eq!(frame.offset, expected);
                let first = i64::try_from(expected).unwrap();
                assert_eq!(frame.batch, ids(first..first + i64::try_from(count).unwrap()));
                expected += count;
                assert_eq!(reader.offset(), expected);
            }
            assert_eq!(expected, rows.max(from));
        }
    }
}

#[test]
fn seeking_forgets_the_rest_of_a_frame() {
    let disk = FaultyDisk::new();
    let (store, _) = filled(&disk);
    let mut reader = store.reader("s", 0, 400).unwrap();
    assert_eq!(reader.next(2).unwrap().unwrap().batch, ids(400..402));
    reader.seek(33);
    assert_eq!(reader.next(2).unwrap().unwrap().batch, ids(33..35));
    reader.seek(401);
    assert_eq!(reader.next(1).unwrap().unwrap().batch, ids(401..402));
}

#[test]
fn a_reader_follows_the_writer() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    let mut reader = store.reader("s", 0, 0).unwrap();
    for id in 1..=60 {
        assert!(reader.next(10).unwrap().is_none());
        writer.append(&ids([id]), &at_second(id)).unwrap();
        assert!(reader.next(10).unwrap().is_none(), "not committed");
        commit(&store, u64::try_from(id).unwrap(), &mut writer).unwrap();
        assert_eq!(reader.next(10).unwrap().unwrap().batch, ids([id]));
    }
}

#[test]
fn what_is_stored_beside_rows_comes_back() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    let meta = FrameMeta { trace: Some([7; 25]), min_event_time: -3, max_event_time: 8, ..at_second(5) };
    writer.append(&ids([1, 2]), &meta).unwrap();
    writer.append(&ids([3]), &FrameMeta::default()).unwrap();
    commit(&store, 1, &mut writer).unwrap();
    let mut reader = store.reader("s", 0, 0).unwrap();
    assert_eq!(reader.next(1).unwrap().unwrap().meta, meta);
    assert_eq!(reader.next(1).unwrap().unwrap().meta, meta);
    assert_eq!(reader.next(1).unwrap().unwrap().meta, FrameMeta::default());
}

#[test]
fn no_rows_are_no_frame() {
    let disk = FaultyDisk::new();
    let (store, mut writer) = with_stream(&disk);
    for epoch in 1..=80 {
        assert_eq!(writer.append(&ids([]), &at_second(1)).unwrap(), 0);
        commit(&store, epoch, &mut writer).unwrap();
    }
    writer.append(&ids([1]), &at_second(1)).unwrap();
    commit(&store, 81, &mut writer).unwrap();
    drop((store, writer));
    assert_eq!(read(&open(&disk).unwrap(), "s"), [1]);
}

#[test]
fn a_full_segment_is_left_whole_by_the_next_writer() {
    // The first writer ends right behind the frame that fills a segment, whose spare room is still there.
    for frames in 1..=30 {
        let disk = FaultyDisk::new();
        let (store, mut writer) = with_stream(&disk);
        for id in 0..frames {
            writer.append(&ids([id]), &at_second(1)).unwrap();
        }
        commit(&store, 1, &mut writer).unwrap();
        drop((store, writer));
        let store = open(&disk).unwrap();
        let mut writer = store.writer("s", 0, "a").unwrap();
        writer.append(&ids([frames]), &at_second(1)).unwrap();
        commit(&store, 2, &mut writer).unwrap();
        assert_eq!(read(&store, "s"), (0..=frames).collect::<Vec<_>>());
        drop((store, writer));
        let left = disk.after_crash(1);
        assert_eq!(read_from(&open(&left).unwrap(), "s", 0, 0).unwrap(), (0..=frames).collect::<Vec<_>>());
    }
}

#[test]
fn what_a_stream_says_of_itself() {
    let disk = FaultyDisk::new();
    let (store, rows) = filled(&disk);
    let before = store.stream("s").unwrap();
    let partition = before.partitions[0];
    assert_eq!((partition.earliest, partition.latest), (0, rows));
    assert_eq!(store.disk_usage().streams, partition.bytes);
    drop(store);
    let store = open(&disk).unwrap();
    assert_eq!(store.stream("s").unwrap().partitions, before.partitions, "counted as it was written");
}
