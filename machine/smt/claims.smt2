; What PROOFS.md claims of one slot, said of a state, or of one or two steps, and of queues of any length. Each is proved from the
; invariant `Inv` alone. C1, C2, C3, C4, C6, C7, C11 and C12 of a state are conjuncts of the invariant.

; ---- The first state, and that of a replacement: the invariant holds.
(define-fun first_state ((s Slot) (t Slot) (of Int) (n Int) (ranked Bool) (by Bool) (now Int)) Bool
  (=> (and (= (high s) (first s) (normal s) 0) (= (passed s) ((as const (Array Int Int)) 0)) (<= 0 (last s)) (new t s of n ranked by now)) (Inv t)))
(define-fun first_state_of_a_replacement ((s Slot) (t Slot) (n Int) (ranked Bool) (now Int)) Bool
  (=> (and (Inv s) (is_current s) (new t (legacy s) (next_ticket s) n ranked false now)) (Inv t)))
; C3: each call that waited or was granted waits in the replacement, and in no other order.
(define-fun C3_replacement_keeps_the_queue ((s Slot) (t Slot) (n Int) (ranked Bool) (now Int) (i Int)) Bool
  (=> (and (Inv s) (is_current s) (new t (legacy s) (next_ticket s) n ranked false now) (<= 0 i) (< i (len s)))
    (let ((before (and (not (= (grant s) 0)) (<= (lane s) (lane_at s i)))))
      (= (select (queue t) (ite before (+ i 1) i)) (select (queue s) i)))))
(define-fun C3_replacement_keeps_the_grant ((s Slot) (t Slot) (n Int) (ranked Bool) (now Int) (k Int)) Bool
  (=> (and (Inv s) (is_current s) (not (= (grant s) 0)) (new t (legacy s) (next_ticket s) n ranked false now)
      (= k (ite (= (lane s) 0) 0 (ite (= (lane s) 1) (high s) (+ (high s) (first s))))))
    (and (is_at t k (lane s) (grant s)) (= (called (select (queue t) k)) (caller s)))))

; ---- Ends of turns
; C3, C4: whoever ends a turn grants it to the call before which no other is: none of higher priority, none of the same with a
; lower ticket.
(define-fun C3_granted_is_next ((s Slot) (t Slot) (now Int) (i Int)) Bool
  (=> (and (Inv s) (not (superseded s)) (or (end_turn s t now) (put_back s t now)) (<= 0 i) (< i (len s)))
    (and (= (phase t) Busy) (session t) (< 0 (grant t)) (<= (lane t) (lane_at s i))
      (=> (= (lane t) (lane_at s i)) (<= (grant t) (ticket (select (queue s) i)))))))
(define-fun C3_vacancy_to_the_next ((s Slot) (t Slot) (n Int) (now Int) (i Int)) Bool
  (=> (and (Inv s) (hand_on s t n now) (<= 0 i) (< i (len s)))
    (and (= (phase t) Starting) (< 0 (grant t)) (<= (lane t) (lane_at s i)) (or (unknown t) (< (number s) (number t))) (not (handle t))
      (=> (= (lane t) (lane_at s i)) (<= (grant t) (ticket (select (queue s) i)))))))
; C4: without a queue the session is free.
(define-fun C4_free_at_the_end ((s Slot) (t Slot) (now Int)) Bool
  (=> (and (Inv s) (is_current s) (= (len s) 0) (or (end_turn s t now) (put_back s t now))) (and (= (phase t) Idle) (session t))))
; C4: a call that was granted has it with its next poll; a poll that finds no grant leaves a waker.
(define-fun C4_a_poll_takes_or_waits ((s Slot) (t Slot) (of Int) (p Int) (k Int)) Bool
  (=> (and (Inv s) (look s t of p true k))
    (ite (has_grant s of p) (and (= (held t) 1) (= (holder t) p)) (=> (<= 0 k) (and (is_at t k of p) (waker (select (queue t) k)))))))
; C5: who leaves, leaves nothing: no place, no grant, no count.
(define-fun C5_no_trace ((s Slot) (t Slot) (of Int) (p Int) (now Int) (k Int) (i Int)) Bool
  (=> (and (Inv s) (< 0 p) (leave s t of p now k)) (and (not (is_at t i of p)) (not (has_grant t of p)) (= (waiting t) (shown (len t))))))
; C5: a turn or a grant that is given back unused leaves the idle time as it was.
(define-fun C5_idle_since_before ((s Slot) (m Slot) (t Slot) (at Int) (now Int)) Bool
  (=> (and (Inv s) (= (phase s) Idle) (take_free s m at) (put_back m t now)) (and (= (since t) (since s)) (= (phase t) Idle))))
(define-fun C5_granted_and_given_up ((s Slot) (m Slot) (t Slot) (at Int) (now Int)) Bool
  (=> (and (Inv s) (= (len s) 1) (not (superseded s)) (end_turn s m at) (leave m t (lane m) (grant m) now (- 1)))
    (and (= (since t) at) (= (phase t) Idle))))
; C6: the end of a superseded holder changes nothing, and its session goes back to it.
(define-fun C6_old_end_changes_nothing ((s Slot) (t Slot) (now Int)) Bool
  (=> (and (Inv s) (superseded s) (or (end_turn s t now) (put_back s t now))) (and (is t s) (= (held t) 1))))

; ---- C7: what policy takes was idle, not granted, not waited for, not kept alive, and not active within the time.
(define-fun C7_claimed ((s Slot) (t Slot) (edge Int) (close Bool) (now Int)) Bool
  (=> (and (Inv s) (claim s t edge close now) (not (= (held t) (held s))))
    (and (= (phase s) Idle) (session s) (= (grant s) 0) (= (len s) 0) (= (keepers s) 0) (not (superseded s))
      (or (<= now edge) (and (<= (since s) edge) (<= (touched s) edge))))))
(define-fun C7_claimed_at ((s Slot) (t Slot) (v Int) (now Int)) Bool
  (=> (and (Inv s) (claim_at s t v now) (not (= (held t) (held s))))
    (and (= (phase s) Idle) (session s) (= (grant s) 0) (= (len s) 0) (= (keepers s) 0) (not (superseded s)) (= (version s) v))))
; A session that is sealed gets no guard, and one with a guard is not sealed.
(define-fun C7_sealed ((s Slot) (t Slot)) Bool
  (=> (and (Inv s) (is_current s)) (and (=> (and (sealed s) (keep s t)) (= (keepers t) (keepers s))) (=> (and (seal s t) (sealed t)) (= (keepers t) 0)))))
; The last guard that goes is activity.
(define-fun C7_last_guard_is_activity ((s Slot) (t Slot) (now Int)) Bool
  (=> (and (Inv s) (is_current s) (= (keepers s) 1) (unkeep s t (number s) now)) (and (<= now (touched t)) (= (keepers t) 0))))
(define-fun C7_touched_never_back ((s Slot) (t Slot) (now Int)) Bool
  (=> (and (Inv s) (touch s t now)) (and (<= (touched s) (touched t)) (<= now (touched t)))))

; ---- C11: whoever holds a current slot without a session can end it: with a queue it is handed on, without one it leaves the map.
(define-fun C11_it_can_end ((s Slot) (h Slot) (r Slot) (n Int) (now Int)) Bool
  (=> (and (Inv s) (is_current s) (< 0 (+ (vacancies s) (closings s))) (renews s n)
      (= h (handle! (grant_next (numbered (released s) n) Starting now now) false))
      (= r (without_handles (change (departed! (superseded! (released s) true) true)))))
    (or (hand_on s h n now) (retire s r))))
(define-fun C11_a_granted_vacancy_can_end ((s Slot) (t Slot) (now Int)) Bool
  (=> (and (Inv s) (= (phase s) Starting) (not (= (grant s) 0)) (leave s t (lane s) (grant s) now (- 1)))
    (and (= (vacancies t) 1) (= (len t) (len s)))))
; C15: the numbers of a slot strictly increase, and a vacancy that has no number yet gets a higher one than all before.
(define-fun C15_numbers_increase ((s Slot) (t Slot) (n Int) (now Int)) Bool
  (=> (and (Inv s) (or (renumber s t n) (begin_start s t n now) (hand_on s t n now)))
    (and (<= (number s) (number t)) (=> (and (= (number t) (number s)) (not (is t s)) (not (= n 0))) (unknown t)))))
; C12: no place is refused while there is room, and none is given beyond it.
(define-fun C12_limit ((s Slot) (t Slot) (of Int) (limit Int) (by Bool) (now Int)) Bool
  (=> (and (Inv s) (enter s t of limit by now) (not (= (phase s) Idle))) (= (len t) (ite (< (len s) limit) (+ (len s) 1) (len s)))))
