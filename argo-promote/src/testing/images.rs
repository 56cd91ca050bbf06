//! Image repositories as values.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::subscriptions::{ImageError, ImageInfo, ImageRepository, ImageSource, Platform};

/// Image repositories by URL, tags in them. Clones share the content.
#[derive(Debug, Clone, Default)]
pub struct ScriptedImages(Arc<Mutex<BTreeMap<String, BTreeMap<String, ImageInfo>>>>);

impl ScriptedImages {
    /// Puts an image.
    pub fn push(&self, repository: &str, tag: &str, image: ImageInfo) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(repository.to_owned()).or_default().insert(tag.to_owned(), image);
    }

    fn repository(&self, url: &str) -> Result<BTreeMap<String, ImageInfo>, ImageError> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(url).cloned().ok_or_else(|| ImageError::NotFound { repository: url.to_owned() })
    }
}

#[async_trait::async_trait]
impl ImageSource for ScriptedImages {
    async fn tags(&self, repository: &ImageRepository) -> Result<Vec<String>, ImageError> {
        Ok(self.repository(&repository.url)?.into_keys().collect())
    }

    async fn image(
        &self,
        repository: &ImageRepository,
        tag: &str,
        _: Option<&Platform>,
    ) -> Result<Option<ImageInfo>, ImageError> {
        Ok(self.repository(&repository.url)?.remove(tag))
    }
}
