; Progress, for a call that waits: the number of calls ahead of it falls with each end of a turn, and rises only when a call of
; higher priority arrives. `i` is its position, which is that number.

(define-fun waits ((s Slot) (i Int) (of Int) (p Int)) Bool (is_at s i of p))
; Ahead of it there is one call less: it was granted, if none was ahead.
(define-fun nearer ((s Slot) (t Slot) (i Int) (of Int) (p Int)) Bool
  (ite (= i 0) (and (= (grant t) p) (= (lane t) of)) (waits t (- i 1) of p)))
(define-fun as_near ((t Slot) (i Int) (of Int) (p Int)) Bool (or (waits t i of p) (and (< 0 i) (waits t (- i 1) of p))))

; Each end of a turn, of a granted turn and of a vacancy, if the slot has a queue.
(define-fun end_turn_is_nearer ((s Slot) (t Slot) (now Int) (i Int) (of Int) (p Int)) Bool
  (=> (and (Inv s) (not (superseded s)) (waits s i of p) (or (end_turn s t now) (put_back s t now))) (nearer s t i of p)))
(define-fun hand_on_is_nearer ((s Slot) (t Slot) (n Int) (now Int) (i Int) (of Int) (p Int)) Bool
  (=> (and (Inv s) (waits s i of p) (hand_on s t n now)) (nearer s t i of p)))
(define-fun a_grant_given_up_is_nearer ((s Slot) (t Slot) (now Int) (i Int) (of Int) (p Int)) Bool
  (=> (and (Inv s) (waits s i of p) (session s) (leave s t (lane s) (grant s) now (- 1))) (nearer s t i of p)))
; Whoever waits has a holder or a granted call before it, so there is an end to come.
(define-fun an_end_is_to_come ((s Slot) (i Int) (of Int) (p Int)) Bool
  (=> (and (Inv s) (waits s i of p)) (or (= (held s) 1) (not (= (grant s) 0)))))
; Another that leaves does not send it back.
(define-fun another_leaves ((s Slot) (t Slot) (now Int) (k Int) (i Int) (of Int) (p Int) (other Int) (q Int)) Bool
  (=> (and (Inv s) (waits s i of p) (not (= p q)) (or (leave s t other q now k) (unwatch s t other q k)) (<= 0 k))
    (waits t (ite (< k i) (- i 1) i) of p)))
; One that arrives goes behind it, unless it has a higher priority: then there is one more ahead.
(define-fun one_arrives ((s Slot) (t Slot) (other Int) (by Bool) (i Int) (of Int) (p Int)) Bool
  (=> (and (Inv s) (waits s i of p) (join s t other by)) (waits t (ite (< other of) (+ i 1) i) of p)))
(define-fun one_enters ((s Slot) (t Slot) (other Int) (limit Int) (by Bool) (now Int) (i Int) (of Int) (p Int)) Bool
  (=> (and (Inv s) (waits s i of p) (enter s t other limit by now))
    (waits t (ite (and (< other of) (< (len s) limit)) (+ i 1) i) of p)))
; The bound, from these steps: `ends` ends of turns and `over` arrivals of higher priority after it joined behind `ahead` calls.
; Each of the steps above keeps this sum, or lowers it; so the call is granted at the latest with the end number `ahead + over + 1`.
(define-fun sum_falls ((i Int) (j Int) (ends Int) (over Int) (ahead Int) (end Bool) (higher Bool)) Bool
  (=> (and (<= (+ i ends) (+ ahead over)) (<= j (+ (- i (count end)) (count higher))))
    (<= (+ j ends (count end)) (+ ahead over (count higher)))))
; A dismissal takes it out, unless it has high priority. Then it stays where it is.
(define-fun a_dismissal ((s Slot) (t Slot) (i Int) (p Int)) Bool
  (=> (and (Inv s) (waits s i 0 p) (dismiss_queue s t)) (waits t i 0 p)))
; A replacement: it is in the new queue. A grant that was not taken is one more ahead, if it is not of a lower priority.
(define-fun a_replacement ((s Slot) (t Slot) (n Int) (ranked Bool) (now Int) (i Int) (of Int) (p Int)) Bool
  (=> (and (Inv s) (is_current s) (waits s i of p) (new t (legacy s) (next_ticket s) n ranked false now))
    (waits t (ite (and (not (= (grant s) 0)) (<= (lane s) of)) (+ i 1) i) of p)))
