//! The registers of x87, where there are any.

/// The tags of registers that all are empty.
pub(crate) const EMPTY: u16 = 0xffff;

/// The tags of the registers.
pub(crate) fn x87_tags() -> u16 {
    #[cfg(target_arch = "x86_64")]
    {
        let mut environment = [0_u16; 14];
        // SAFETY: stores 28 bytes, and takes the environment back, as that masks exceptions.
        unsafe {
            std::arch::asm!("fnstenv [{0}]", "fldenv [{0}]", in(reg) environment.as_mut_ptr())
        };
        environment[4]
    }
    #[cfg(not(target_arch = "x86_64"))]
    EMPTY
}
