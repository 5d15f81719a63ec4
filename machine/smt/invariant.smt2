; What holds of every slot before and after each transition, for queues of any length. One conjunct, one name.

(define-fun counts ((s Slot)) Bool (and (<= 0 (turns s)) (<= 0 (vacancies s)) (<= 0 (closings s))
  (<= 0 (high s)) (<= 0 (first s)) (<= 0 (normal s)) (<= 0 (kept s)) (<= 0 (keepers s)) (<= 0 (lane s) 2)))
; At most one guard is out, and its type is the phase.
(define-fun C1_one_guard ((s Slot)) Bool (and (<= (held s) 1)
  (=> (= (turns s) 1) (= (phase s) Busy)) (=> (= (vacancies s) 1) (= (phase s) Starting))
  (=> (= (closings s) 1) (= (phase s) Closing))
  (=> (= (held s) 1) (and (= (grant s) 0) (not (session s)) (not (departed s))))))
; A session, and whoever may start one: at most one of all.
(define-fun C2_one_session ((s Slot)) Bool (<= (+ (count (session s)) (turns s) (closings s) (vacancies s)) 1))
; Each priority by ticket, and no ticket twice. No ticket in the queue was granted before, or is that of the holder.
(define-fun C3_sorted ((s Slot)) Bool (sorted s))
(define-fun C3_tickets ((s Slot)) Bool (tickets s))
(define-fun C3_passed ((s Slot)) Bool (and
  (=> (not (= (grant s) 0)) (= (select (passed s) (lane s)) (grant s)))
  (<= (select (passed s) 0) (last s)) (<= (select (passed s) 1) (last s)) (<= (select (passed s) 2) (last s))))
(define-fun C4_free_without_queue ((s Slot)) Bool (=> (= (phase s) Idle) (= (len s) 0)))
(define-fun C6_superseded ((s Slot)) Bool (=> (superseded s) (and (not (session s)) (= (grant s) 0))))
(define-fun C7_kept ((s Slot)) Bool (=> (not (superseded s))
  (and (= (kept s) (keepers s)) (=> (sealed s) (= (kept s) 0)))))
; A slot in the map is free, granted or held: exactly one of these. A superseded one is held until it has departed.
(define-fun C11_not_stuck ((s Slot)) Bool (and
  (=> (is_current s) (= (+ (count (= (phase s) Idle)) (count (not (= (grant s) 0))) (held s)) 1))
  (=> (and (superseded s) (not (departed s)) (not (= (phase s) Idle))) (= (held s) 1))
  (=> (departed s) (and (= (len s) 0) (= (held s) 0) (= (grant s) 0) (not (session s))))
  (=> (and (departed s) (not (superseded s))) (not (= (phase s) Idle)))))
(define-fun C12_nothing_lost ((s Slot)) Bool
  (= (born s) (+ (gone s) (count (session s)) (turns s) (closings s))))
(define-fun C16_caller ((s Slot)) Bool (=> (= (phase s) Idle) (not (caller s))))
(define-fun I7_idle ((s Slot)) Bool (=> (and (= (phase s) Idle) (is_current s)) (and (session s) (= (grant s) 0))))
(define-fun I9_busy ((s Slot)) Bool (=> (and (= (phase s) Busy) (is_current s)) (= (session s) (not (= (grant s) 0)))))
(define-fun I10_starting ((s Slot)) Bool (=> (= (phase s) Starting) (not (session s))))
(define-fun I11_closing ((s Slot)) Bool (=> (= (phase s) Closing) (and (not (session s)) (= (grant s) 0))))
; I8 is C4, and I12 needs no conjunct: a slot has always had a holder.
(define-fun I13_drawn ((s Slot)) Bool (and (< 0 (holder s)) (<= (holder s) (last s))
  (=> (not (= (grant s) 0)) (= (grant s) (holder s)))))
(define-fun I14_board ((s Slot)) Bool (and (= (waiting s) (shown (len s))) (= (open s) (= (mod (version s) 2) 1))))
