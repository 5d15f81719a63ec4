; The slot of one key: the fields of `Slot`, `State`, `Rare` and `Board` (src/registry/slot/state.rs, status.rs), and its queue.
; A queue is its calls in the order of their places, as `BTreeMap<Place, Waiter>` has them: first those of high priority, then
; those that go first, then the others. Three numbers say how many there are of each. It may have any length.

(declare-datatypes ((Phase 0)) (((Starting) (Busy) (Idle) (Closing))))
(declare-datatypes ((Waiter 0)) (((waiter (ticket Int) (waker Bool) (called Bool)))))
(define-sort Queue () (Array Int Waiter))
(declare-datatypes ((Slot 0)) (((slot
  ; The board. It is open while a critical section changes it. `holder` is the last holder while the slot is idle. `number` is
  ; the last that is known; `unknown`: this incarnation has none yet, its holder gives it one.
  (version Int) (open Bool) (phase Phase) (since Int) (waiting Int) (number Int) (unknown Bool) (holder Int)
  ; The session is inside. The queue, and how many calls of each priority are in it.
  (session Bool) (queue Queue) (high Int) (first Int) (normal Int)
  ; The ticket that was granted and not taken, or 0, and its priority: 0 high, 1 first, 2 normal. The last ticket drawn.
  (grant Int) (lane Int) (last Int)
  (kept Int) (sealed Bool) (handle Bool) (stands Bool) (caller Bool)
  (rested Int) (touched Int) (superseded Bool) (departed Bool) (unwinding Bool) (unlisted Bool)
  ; Not in the source. The guards that are out, of each type, and those that keep this incarnation alive.
  (turns Int) (vacancies Int) (closings Int) (keepers Int)
  ; Sessions that came, and that left the slot and its guards. The last ticket granted, by priority.
  (born Int) (gone Int) (passed (Array Int Int))))))

; `s` with another value in one field.
(define-fun version! ((s Slot) (v Int)) Slot ((_ update-field version) s v))
(define-fun open! ((s Slot) (v Bool)) Slot ((_ update-field open) s v))
(define-fun phase! ((s Slot) (v Phase)) Slot ((_ update-field phase) s v))
(define-fun since! ((s Slot) (v Int)) Slot ((_ update-field since) s v))
(define-fun waiting! ((s Slot) (v Int)) Slot ((_ update-field waiting) s v))
(define-fun number! ((s Slot) (v Int)) Slot ((_ update-field number) s v))
(define-fun unknown! ((s Slot) (v Bool)) Slot ((_ update-field unknown) s v))
(define-fun holder! ((s Slot) (v Int)) Slot ((_ update-field holder) s v))
(define-fun session! ((s Slot) (v Bool)) Slot ((_ update-field session) s v))
(define-fun queue! ((s Slot) (v Queue)) Slot ((_ update-field queue) s v))
(define-fun high! ((s Slot) (v Int)) Slot ((_ update-field high) s v))
(define-fun first! ((s Slot) (v Int)) Slot ((_ update-field first) s v))
(define-fun normal! ((s Slot) (v Int)) Slot ((_ update-field normal) s v))
(define-fun grant! ((s Slot) (v Int)) Slot ((_ update-field grant) s v))
(define-fun lane! ((s Slot) (v Int)) Slot ((_ update-field lane) s v))
(define-fun last! ((s Slot) (v Int)) Slot ((_ update-field last) s v))
(define-fun kept! ((s Slot) (v Int)) Slot ((_ update-field kept) s v))
(define-fun sealed! ((s Slot) (v Bool)) Slot ((_ update-field sealed) s v))
(define-fun handle! ((s Slot) (v Bool)) Slot ((_ update-field handle) s v))
(define-fun stands! ((s Slot) (v Bool)) Slot ((_ update-field stands) s v))
(define-fun caller! ((s Slot) (v Bool)) Slot ((_ update-field caller) s v))
(define-fun rested! ((s Slot) (v Int)) Slot ((_ update-field rested) s v))
(define-fun touched! ((s Slot) (v Int)) Slot ((_ update-field touched) s v))
(define-fun superseded! ((s Slot) (v Bool)) Slot ((_ update-field superseded) s v))
(define-fun departed! ((s Slot) (v Bool)) Slot ((_ update-field departed) s v))
(define-fun unwinding! ((s Slot) (v Bool)) Slot ((_ update-field unwinding) s v))
(define-fun unlisted! ((s Slot) (v Bool)) Slot ((_ update-field unlisted) s v))
(define-fun keepers! ((s Slot) (v Int)) Slot ((_ update-field keepers) s v))
(define-fun passed! ((s Slot) (v (Array Int Int))) Slot ((_ update-field passed) s v))
; Guards are handed out (1) or consumed (-1). Sessions come, and leave.
(define-fun turn+ ((s Slot) (v Int)) Slot ((_ update-field turns) s (+ (turns s) v)))
(define-fun vacancy+ ((s Slot) (v Int)) Slot ((_ update-field vacancies) s (+ (vacancies s) v)))
(define-fun closing+ ((s Slot) (v Int)) Slot ((_ update-field closings) s (+ (closings s) v)))
(define-fun born+ ((s Slot) (v Int)) Slot ((_ update-field born) s (+ (born s) v)))
(define-fun gone+ ((s Slot) (v Int)) Slot ((_ update-field gone) s (+ (gone s) v)))

(define-fun count ((b Bool)) Int (ite b 1 0))
(define-fun later ((a Int) (b Int)) Int (ite (< a b) b a))
(define-fun len ((s Slot)) Int (+ (high s) (first s) (normal s)))
(define-fun held ((s Slot)) Int (+ (turns s) (vacancies s) (closings s)))
(define-fun is_current ((s Slot)) Bool (and (not (superseded s)) (not (departed s))))
; The priority of the call at this position.
(define-fun lane_at ((s Slot) (i Int)) Int (ite (< i (high s)) 0 (ite (< i (+ (high s) (first s))) 1 2)))
(define-fun is_at ((s Slot) (i Int) (of Int) (t Int)) Bool
  (and (<= 0 i) (< i (len s)) (= (lane_at s i) of) (= (ticket (select (queue s) i)) t)))
(define-fun lane+ ((s Slot) (of Int) (v Int)) Slot
  (ite (= of 0) (high! s (+ (high s) v)) (ite (= of 1) (first! s (+ (first s) v)) (normal! s (+ (normal s) v)))))
(define-const nobody Queue ((as const Queue) (waiter 0 false false)))
; A queue without the call at `k`; with one more there.
(define-fun without ((q Queue) (k Int)) Queue (lambda ((i Int)) (select q (ite (< i k) i (+ i 1)))))
(define-fun with ((q Queue) (k Int) (w Waiter)) Queue
  (lambda ((i Int)) (ite (= i k) w (select q (ite (< i k) i (- i 1))))))
(define-fun remove ((s Slot) (k Int)) Slot (lane+ (queue! s (without (queue s) k)) (lane_at s k) (- 1)))
(define-fun emptied ((s Slot)) Slot (normal! (first! (high! s 0) 0) 0))

; What is said of each position of a queue. For short queues it is also written out, without quantifiers, to find examples.
(define-fun alike ((a Queue) (b Queue) (n Int)) Bool
  (forall ((i Int)) (=> (and (<= 0 i) (< i n)) (= (select a i) (select b i)))))
(define-fun absent ((s Slot) (of Int) (t Int)) Bool
  (forall ((i Int)) (not (is_at s i of t))))
(define-fun tickets ((s Slot)) Bool
  (forall ((i Int)) (=> (and (<= 0 i) (< i (len s)))
    (and (< (select (passed s) (lane_at s i)) (ticket (select (queue s) i))) (<= (ticket (select (queue s) i)) (last s))
      (< 0 (ticket (select (queue s) i))) (not (= (ticket (select (queue s) i)) (holder s)))))))
(define-fun sorted ((s Slot)) Bool
  (forall ((i Int) (j Int)) (=> (and (<= 0 i) (< i j) (< j (len s)))
    (and (not (= (ticket (select (queue s) i)) (ticket (select (queue s) j))))
      (=> (= (lane_at s i) (lane_at s j)) (< (ticket (select (queue s) i)) (ticket (select (queue s) j))))))))

; `t` is `e`, but for what its array has beyond its queue.
(define-fun is ((t Slot) (e Slot)) Bool (and (= t (queue! e (queue t))) (alike (queue t) (queue e) (len e))))
