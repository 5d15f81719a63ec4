fn main() {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_default();
    let n: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let sessions: turnwise::Registry<u64, [u64; 8]> = turnwise::Registry::new();
    for key in 0..100 {
        drop(sessions.enter_blocking(&key).unwrap().or_insert([0; 8]));
    }
    match what.as_str() {
        "turn" => {
            for _ in 0..n {
                let mut turn = pollster::block_on(sessions.enter(&7))
                    .unwrap()
                    .or_insert([0; 8]);
                turn[0] += 1;
                std::hint::black_box(&mut *turn);
            }
        }
        "blocking" => {
            for _ in 0..n {
                let mut turn = sessions.enter_blocking(&7).unwrap().or_insert([0; 8]);
                turn[0] += 1;
                std::hint::black_box(&mut *turn);
            }
        }
        "status" => {
            for _ in 0..n {
                std::hint::black_box(sessions.status(&7));
            }
        }
        "pair" => {
            for k in 0..n {
                let turn = sessions
                    .enter_blocking(&(k + 1000))
                    .unwrap()
                    .or_insert([0; 8]);
                drop(turnwise::Turn::vacate(turn));
            }
        }
        _ => {}
    }
}
