//! Drop reasons of an application, by name.

/// A structure of drop reasons, one a field, each with the name it has in reports.
macro_rules! reasons {
    ($(#[$about:meta])* $reasons:ident: $($(#[$doc:meta])* $field:ident $name:literal),+ $(,)?) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        pub(super) struct $reasons {
            $($(#[$doc])* pub(super) $field: $crate::packet::Reason,)+
        }

        impl $reasons {
            /// Names them.
            ///
            /// # Errors
            /// The run has no numbers left for reasons.
            pub(super) fn new(build: &mut $crate::pipeline::Build<'_>) -> anyhow::Result<$reasons> {
                Ok($reasons { $($field: build.reason($name)?,)+ })
            }
        }
    };
}

pub(in crate::apps) use reasons;
