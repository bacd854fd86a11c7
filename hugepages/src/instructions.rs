//! Instructions that not every CPU of an architecture has: used where they are, done without where not.

/// Runs `work`, compiled for CPUs that count, mask and shift bits in one instruction each if this is one of them (x86-64:
/// POPCNT, BMI1, BMI2; Intel's since Haswell, AMD's since Excavator), and as for every CPU if not. The result is the same.
///
/// What `work` calls gains from it only as far as it is inlined: say `#[inline(always)]` of the closure and of what it calls.
/// Asking the CPU costs a load and a test: once a burst.
#[inline(always)]
pub fn counting_bits<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
    {
        // SAFETY: the CPU was just asked for each of these features.
        return unsafe { compiled_for_them(work) };
    }
    work()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt,bmi1,bmi2")]
fn compiled_for_them<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(test)]
mod tests {
    use super::counting_bits;

    #[test]
    fn work_is_done_once_and_its_result_is_handed_on() {
        let mut times = 0;
        let bits = counting_bits(
            #[inline(always)]
            || {
                times += 1;
                0x00ff_0f01u64.count_ones()
            },
        );
        assert_eq!((bits, times), (13, 1));
    }
}
